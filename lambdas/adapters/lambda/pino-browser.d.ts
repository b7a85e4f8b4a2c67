declare module "pino/browser.js" {
  import type { pino } from "pino";

  const browserPino: typeof pino;
  export default browserPino;
}
