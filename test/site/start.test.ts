import { pageOf, pagesIn } from "./all-pages.js";
import { playPages } from "./play.js";

await playPages(pagesIn("start").map(pageOf));
