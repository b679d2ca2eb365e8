/** The README, and the pages that stand in no section. */
import { allPages } from "./all-pages.js";
import { pageOf, playPages } from "./play.js";

await playPages(["README", ...allPages().filter((path) => !path.includes("/"))].map(pageOf));
