// How the pages /app and /console are built; scripts/build_assets.py runs it and puts the result in place.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { defineConfig } from "vite";

const COMPRESSED = /\.(js|css|svg)$/;
const QUALITY = { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } };

/** Put the address of the assets into the pages, and write compressed twins of what is loaded. */
const served = {
  name: "served",
  // Only now is everything as it will be: earlier, Vite has still placeholders in its chunks.
  writeBundle({ dir }) {
    for (const name of readdirSync(dir)) {
      const path = join(dir, name);
      const content = readFileSync(path);
      if (name.endsWith(".html")) {
        // The service knows how deep below its root a page is asked for, and fills in {root}.
        const page = content.toString().replaceAll(/(src|href)="\.\//g, '$1="{root}pages/assets/');
        writeFileSync(path, page);
      } else if (COMPRESSED.test(name)) {
        writeFileSync(`${path}.br`, brotliCompressSync(content, QUALITY));
        writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
      }
    }
  },
};

export default defineConfig({
  base: "./",
  publicDir: false,
  plugins: [served],
  build: {
    target: ["chrome123", "firefox121", "safari17.5"],
    // A policy without data: for scripts and fonts, and no layout shift by what comes later.
    assetsInlineLimit: 0,
    assetsDir: "",
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 1000,
    rolldownOptions: {
      input: { app: "app.html", console: "console.html" },
      output: {
        entryFileNames: "[name]-[hash].js",
        chunkFileNames: "[name]-[hash].js",
        assetFileNames: "[name]-[hash][extname]",
      },
    },
  },
});
