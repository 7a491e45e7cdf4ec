"use strict";

// Swagger UI follows the system's colours only when this class is set, and it must follow a change as well.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const paint = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", paint);
paint();

window.SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  presets: [window.SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  filter: true,
  tryItOutEnabled: true,
  requestSnippetsEnabled: true,
  // A token must not survive the tab: whoever opens the browser next would pay with it.
  persistAuthorization: false,
  // What is tried here is shown with the token above, never with the cookie of a page of ours.
  requestInterceptor: (request) => Object.assign(request, { credentials: "omit" }),
  // The default validator is a public site that would be told our address.
  validatorUrl: null,
  // A link must not make this page show, and send tokens to, another server's document.
  queryConfigEnabled: false,
});
