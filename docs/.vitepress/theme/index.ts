import type { Theme } from "vitepress";
import DefaultTheme from "vitepress/theme";
import SessionsDemo from "./demo/SessionsDemo.vue";
import HomePage from "./HomePage.vue";
import "./style.css";
import "./diagrams.css";
import "./home.css";

export default {
  extends: DefaultTheme,
  enhanceApp({ app }) {
    app.component("HomePage", HomePage);
    app.component("SessionsDemo", SessionsDemo);
  },
} satisfies Theme;
