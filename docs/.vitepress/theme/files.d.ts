/** What the compiler has to know of files that only Vite reads. */
declare module "*.css";
declare module "*.vue" {
  import type { Component } from "vue";

  const component: Component;
  export default component;
}
