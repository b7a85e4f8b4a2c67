import { keptTheme, theme } from "../parts/theme.ts";
import { mendWithin } from "./mend.ts";

/** As much of Swagger UI as is used here: its own script, before this one, has put it into the page. */
declare const SwaggerUIBundle: (options: {
  url: string;
  dom_id: string;
  deepLinking: boolean;
  docExpansion: "none";
  defaultModelsExpandDepth: number;
  filter: boolean;
  displayRequestDuration: boolean;
  syntaxHighlight: { theme: "obsidian" };
  /** tokens stay in memory, and end with the page */
  persistAuthorization: false;
  /** null: nothing is asked of a validator elsewhere */
  validatorUrl: null;
}) => void;

keptTheme();
const dark = matchMedia("(prefers-color-scheme: dark)");
const applyTheme = () => {
  const isDark = theme.value === "system" ? dark.matches : theme.value === "dark";
  document.documentElement.classList.toggle("dark-mode", isDark);
};
applyTheme();
dark.addEventListener("change", applyTheme);

SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  docExpansion: "none",
  defaultModelsExpandDepth: 0,
  filter: true,
  displayRequestDuration: true,
  // the usual one has numbers that are hard to read on its ground
  syntaxHighlight: { theme: "obsidian" },
  persistAuthorization: false,
  validatorUrl: null,
});

mendWithin(document.getElementById("reference")!);
