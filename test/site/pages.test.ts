/** The README, and the pages that stand in no section. */
import { allPages, pageOf } from "./all-pages.js";
import { playPages } from "./play.js";

await playPages(["README", ...allPages().filter((path) => !path.includes("/"))].map(pageOf));
