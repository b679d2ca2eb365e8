/** Three files share the guides, so that these can run side by side. */
import { pageOf, pagesIn } from "./all-pages.js";
import { playPages } from "./play.js";

await playPages(
  pagesIn("guides")
    .filter((path) => path < "guides/h")
    .map(pageOf),
);
