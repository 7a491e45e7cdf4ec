// Redoc searches in a worker that it builds out of text, which the content security policy forbids; without
// workers it searches in the page. So this has to be said before its code is loaded.
window.Worker = undefined;

const place = document.getElementById("reference");
try {
  const [{ init }, answer] = await Promise.all([import("./redoc.standalone.js"), fetch("openapi.json")]);
  if (!answer.ok) throw new Error(`openapi.json was answered by ${answer.status}.`);
  place.replaceChildren();
  // The parsed document instead of its address: only with an address does Redoc offer to send it to AI services.
  init(
    await answer.json(),
    {
      disableTelemetry: true,
      hideDownloadButtons: true, // The bar above has the link.
      layout: "three-panel",
      sanitize: true,
      scrollYOffset: 49,
      sortRequiredPropsFirst: true,
    },
    place,
  );
} catch (error) {
  const line = document.createElement("p");
  line.className = "wallet-wait";
  line.textContent = `The API document could not be shown. ${error.message}`;
  place.replaceChildren(line);
}
