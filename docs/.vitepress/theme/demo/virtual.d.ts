/** `stage.ts`, bundled with the server by `sendall-in-a-page.ts`. */
declare module "virtual:sessions-stage" {
  export { Stage } from "./stage.js";
}
