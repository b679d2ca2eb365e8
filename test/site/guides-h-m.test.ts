/** One of these guides needs SQLite, which newer versions of Node have: CI runs this file there, too. */
import { pageOf, pagesIn } from "./all-pages.js";
import { playPages } from "./play.js";

await playPages(
  pagesIn("guides")
    .filter((path) => path >= "guides/h" && path < "guides/n")
    .map(pageOf),
);
