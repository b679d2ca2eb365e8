/** The navigation of the site: every page of docs/ beside the home page and the API stands here once. `test/site/built-navigation.test.ts` holds that. */
export interface Entry {
  readonly text: string;
  /** The address of the page, without an ending. A folder's start page ends with "/". */
  readonly link: string;
}
export interface Group {
  readonly text: string;
  readonly items: readonly (Entry | Group)[];
}

export const navigation: readonly Group[] = [
  {
    text: "Start",
    items: [
      { text: "Install", link: "/start/install" },
      { text: "First server", link: "/start/first-server" },
      { text: "First page", link: "/start/first-page" },
      { text: "First room", link: "/start/first-room" },
      { text: "First test", link: "/start/first-test" },
      { text: "TypeScript", link: "/start/typescript" },
    ],
  },
  {
    text: "Guides",
    items: [
      { text: "All guides", link: "/guides/" },
      {
        text: "Handlers",
        items: [
          { text: "Handlers", link: "/guides/handlers" },
          { text: "One handler per connection", link: "/guides/per-connection" },
          { text: "State machines", link: "/guides/machines" },
          { text: "Rooms and users", link: "/guides/rooms-and-users" },
          { text: "Time", link: "/guides/time" },
          { text: "Failures", link: "/guides/failures" },
          { text: "Beside an HTTP server", link: "/guides/http-server" },
          { text: "Express sessions", link: "/guides/express-sessions" },
          { text: "Authentication", link: "/guides/authentication" },
          { text: "Binary messages", link: "/guides/binary" },
        ],
      },
      {
        text: "Client and types",
        items: [
          { text: "The client", link: "/guides/client" },
          { text: "Typed messages", link: "/guides/typed-messages" },
          { text: "Calls", link: "/guides/calls" },
          { text: "React", link: "/guides/react" },
          { text: "Next.js", link: "/guides/next" },
          { text: "AsyncAPI", link: "/guides/asyncapi" },
          { text: "Channels", link: "/guides/channels" },
          { text: "SockJS", link: "/guides/sockjs" },
        ],
      },
      {
        text: "State across sockets",
        items: [
          { text: "Sessions", link: "/guides/sessions" },
          { text: "Presence", link: "/guides/presence" },
          { text: "History", link: "/guides/history" },
          { text: "Where history is kept", link: "/guides/history-stores" },
          { text: "A whole chat", link: "/guides/whole-chat" },
        ],
      },
      {
        text: "Limits",
        items: [
          { text: "Slow consumers", link: "/guides/slow-consumers" },
          { text: "Limits per client", link: "/guides/budgets" },
        ],
      },
      {
        text: "Several machines",
        items: [
          { text: "Several machines", link: "/guides/several-machines" },
          { text: "Workers", link: "/guides/workers" },
        ],
      },
      {
        text: "Testing",
        items: [
          { text: "Testing", link: "/guides/testing" },
          { text: "Race conditions", link: "/guides/races" },
        ],
      },
      {
        text: "Watching",
        items: [
          { text: "Monitoring", link: "/guides/monitoring" },
          { text: "Tracing", link: "/guides/tracing" },
          { text: "Logging", link: "/guides/logging" },
        ],
      },
    ],
  },
  {
    text: "Deploy",
    items: [
      { text: "Checklist", link: "/deploy/" },
      { text: "Docker", link: "/deploy/docker" },
      { text: "nginx", link: "/deploy/nginx" },
      { text: "Caddy", link: "/deploy/caddy" },
      { text: "systemd", link: "/deploy/systemd" },
      { text: "Kubernetes", link: "/deploy/kubernetes" },
      { text: "Time limits", link: "/deploy/time-limits" },
      { text: "Logs and tokens", link: "/deploy/logs-and-tokens" },
      { text: "Sizing", link: "/deploy/sizing" },
    ],
  },
  {
    text: "Troubleshooting",
    items: [
      { text: "Symptoms", link: "/troubleshooting/" },
      { text: "403: refused origin", link: "/troubleshooting/403" },
      { text: "404: no such route", link: "/troubleshooting/404" },
      { text: "426: not a WebSocket", link: "/troubleshooting/426" },
      { text: "1006: connection lost", link: "/troubleshooting/1006" },
      { text: "1008: closed by policy", link: "/troubleshooting/1008" },
      { text: "1011: handler failed", link: "/troubleshooting/1011" },
      { text: "1013: try again later", link: "/troubleshooting/1013" },
      { text: "Not in Docker", link: "/troubleshooting/docker" },
    ],
  },
  {
    text: "Reference",
    items: [
      { text: "Overview", link: "/reference/" },
      { text: "Options", link: "/reference/options" },
      { text: "The contract", link: "/reference/contract" },
      { text: "Refusals and close codes", link: "/reference/close-codes" },
      { text: "Errors", link: "/reference/errors" },
      { text: "Statistics and metrics", link: "/reference/statistics" },
      { text: "The wire", link: "/reference/wire" },
      { text: "The command", link: "/reference/command" },
      { text: "Examples", link: "/reference/examples" },
      { text: "Bun and Deno", link: "/reference/runtimes" },
    ],
  },
  {
    text: "Migrate",
    items: [
      { text: "From ws", link: "/migrate/ws" },
      { text: "From Socket.IO", link: "/migrate/socket-io" },
      { text: "From SockJS", link: "/migrate/sockjs" },
      { text: "From Erlang", link: "/migrate/erlang" },
    ],
  },
  {
    text: "Background",
    items: [
      { text: "How it is built", link: "/how-it-is-built" },
      { text: "How fast", link: "/how-fast" },
      { text: "How far it scales", link: "/how-far-it-scales" },
      { text: "What it does not do", link: "/what-it-does-not-do" },
    ],
  },
];
