// How the pages /app and /console are built; scripts/build_assets.py runs it and puts the result in place.
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { defineConfig } from "vite";

const COMPRESSED = /\.(js|css|svg)$/;

/** Put the address of the assets into the pages, and write compressed twins of what is loaded. */
const served = {
  name: "served",
  enforce: "post",
  generateBundle(_options, bundle) {
    for (const file of Object.values(bundle)) {
      const content = file.type === "chunk" ? file.code : file.source;
      if (file.fileName.endsWith(".html")) {
        // The service knows how deep below its root a page is asked for, and fills in {root}.
        file.source = String(content).replaceAll(/(src|href)="\.\//g, '$1="{root}pages/assets/');
      } else if (COMPRESSED.test(file.fileName)) {
        const bytes = Buffer.from(content);
        const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } };
        this.emitFile({ type: "asset", fileName: `${file.fileName}.br`, source: brotliCompressSync(bytes, quality) });
        this.emitFile({ type: "asset", fileName: `${file.fileName}.gz`, source: gzipSync(bytes, { level: 9 }) });
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
