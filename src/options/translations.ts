/**
 * The options of other WebSocket servers in the words of Sendall. A program that moves to Sendall brings the options along; the reader
 * refuses such an option and tells what to write instead.
 */
import type { Translations } from "./unknown-name.js";

const HEARTBEAT = "use heartbeat: { intervalMs } and heartbeat: { timeoutMs }, or heartbeat: false";
const AUTHORIZE = "use authorize, a function (request) => data or reject(status), which is called before each upgrade";
const ATTACH = "use attach(server, options) in place of serve(options), which takes the upgrades of an HTTP server";
const ROUTES = 'use routes: { "/path": { handler } }';
const SESSIONS = "use resume: true, or resume: { graceMs }";
const BUDGET =
  "use budget: { messagesPerSecond } for what each client sends, and upgradesPerSecond for upgrades of the server";
const UPGRADES = "use upgradesPerSecond, an option of the server";
const METRICS =
  "use metrics(server, { histograms }) of sendall/metrics once the server has started, or sendall serve --metrics";
const TRACING = "use otel() of sendall/otel, before serve";
const PRESENCE =
  "use presence: true for bus.present(room), and presence: { notice } for what the members of a room hear";
const HISTORY =
  "use history: true, keep: true where a message is sent to a room, and connection.follow(room, { last: 50 }) in place of join";
const STORE = "a store goes into history: { store }";
const COOKIE = "use sockjs: { cookieNeeded: true } for the cookie of load balancers";

/** Options of Socket.IO and Engine.IO, `ws`, SockJS for Node, uWebSockets.js and Node's `https`, one of our client, and likely guesses. */
export const TRANSLATIONS: Translations = {
  // Socket.IO and Engine.IO
  cors: 'use origins, such as origins: ["https://example.com"] or origins: "any"',
  allowRequest: AUTHORIZE,
  pingInterval: "use heartbeat: { intervalMs }",
  pingTimeout: "use heartbeat: { timeoutMs }",
  maxHttpBufferSize: "use maxPayloadBytes",
  perMessageDeflate: "use compression: true or compression: false",
  httpCompression: "use compression for messages; HTTP responses are not compressed",
  connectTimeout: "use handshakeTimeoutMs",
  upgradeTimeout: "use handshakeTimeoutMs",
  transports: "WebSocket is always on; use sockjs: true for further transports over HTTP",
  allowUpgrades: "WebSocket is always on; use sockjs: true for further transports over HTTP",
  adapter: "use cluster, such as cluster: redis({ url }) or cluster: nats({ servers })",
  cookie: COOKIE,
  connectionStateRecovery: "use resume: { graceMs }",
  serveClient: 'use client: "/sendall/client.js", the path at which pages import the client',
  // ws
  path: ROUTES,
  server: ATTACH,
  noServer: ATTACH,
  maxPayload: "use maxPayloadBytes",
  verifyClient: AUTHORIZE,
  handleProtocols: "use protocols, the names in order of preference",
  clientTracking: "server.connections() has the connections, always",
  closeTimeout: "use closeTimeoutMs",
  // SockJS for Node
  prefix: ROUTES,
  heartbeat_delay: "use sockjs: { heartbeatIntervalMs }",
  disconnect_delay: "use sockjs: { disconnectDelayMs }",
  response_limit: "use sockjs: { responseLimitBytes }",
  sockjs_url: "use sockjs: { clientUrl }",
  jsessionid: COOKIE,
  // uWebSockets.js
  maxPayloadLength: "use maxPayloadBytes",
  maxBackpressure: "use outbox: { maxBufferedBytes }",
  idleTimeout: "use idleTimeoutMs, in milliseconds, for peers without messages, and heartbeat for lost peers",
  sendPingsAutomatically: HEARTBEAT,
  // Node
  hostname: "use host",
  key: "use tls: { key, cert }",
  cert: "use tls: { key, cert }",
  ssl: "use tls: { key, cert }",
  // What limits clients elsewhere
  rateLimit: BUDGET,
  rateLimiter: BUDGET,
  limiter: BUDGET,
  throttle: BUDGET,
  connectionsPerSecond: UPGRADES,
  maxUpgradesPerSecond: UPGRADES,
  // Who is there, in other words
  users: PRESENCE,
  online: PRESENCE,
  onlineUsers: PRESENCE,
  trackPresence: PRESENCE,
  track: PRESENCE,
  roster: PRESENCE,
  occupancy: PRESENCE,
  typing: PRESENCE,
  // What was said, in other words
  messageHistory: HISTORY,
  replay: HISTORY,
  retain: HISTORY,
  retained: HISTORY,
  persist: HISTORY,
  persistence: HISTORY,
  // What is no option of a server
  metrics: METRICS,
  histograms: METRICS,
  prometheus: METRICS,
  tracing: TRACING,
  otel: TRACING,
  telemetry: TRACING,
  // The client's own name of it, and the likely guess
  session: SESSIONS,
  sessions: SESSIONS,
  // A store in place of the option
  "history.name": STORE,
  "history.append": STORE,
};
