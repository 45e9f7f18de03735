import js from "@eslint/js";
import globals from "globals";

export default [
  js.configs.recommended,
  { files: ["**/*.mjs"], languageOptions: { globals: globals.browser } },
  // frame.js is put behind an explorable's module, whose render it calls
  { files: ["**/frame.js"], languageOptions: { globals: { ...globals.browser, render: "readonly" } } },
];
