import { pagesIn } from "./all-pages.js";
import { pageOf, playPages } from "./play.js";

await playPages(pagesIn("migrate").map(pageOf));
