/**
 * The modules for pages: `sendall/client` at the path of the option `client`, and `sendall/protocol` beside the client. Read and compressed
 * while the server starts, and kept as long as the server runs: an answer is a copy of bytes, and no answer waits.
 */
import { readFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliCompress, gzip } from "node:zlib";
import { readPath } from "../admission/request-head.js";
import { refuseOption } from "../options/read-options.js";
import { normalPath } from "../options/route-path.js";
import { messageOf } from "../runtime/thrown.js";
import { wholeUrl } from "./mount.js";
import { addVary, etagOf, matchesEtag } from "./response-headers.js";

/** Made by `npm run build`. The address is right from `src/` and from `dist/`. */
const FOLDER: URL = new URL("../../dist/", import.meta.url);
/** A client path that ends in this way is the path of the smallest build. */
const SMALLEST = ".min.js";
/** The file of `sendall/protocol`, in the package and beside the client of a server. */
const PROTOCOL = "protocol.js";

/** The map is not served: a browser would ask for the map, and a program would see the request. */
const MAP_COMMENT = /\/\/# sourceMappingURL=.*\s*$/;

/** Content codings (RFC 9110 section 8.4.1), the smallest first. */
type Coding = "br" | "gzip" | "identity";
const CODINGS: readonly Coding[] = ["br", "gzip", "identity"];

/** A module in a content coding. The tag of each coding is a different one, since a strong tag stands for bytes. */
interface Encoded {
  readonly body: Buffer;
  readonly etag: string;
}

/** Below every weight that a header can give: a coding which the header names comes before the plain module. */
const LEAST = 0.0001;

/** The coding to use for an `Accept-Encoding` (RFC 9110 section 12.5.3). A peer that accepts no coding gets the plain module. */
function chooseCoding(acceptEncoding = ""): Coding {
  const weights = new Map(
    acceptEncoding.split(",").map((part) => {
      const [name = "", ...parameters] = part.split(";").map((text) => text.trim().toLowerCase());
      const weight = parameters.find((parameter) => parameter.startsWith("q="));
      return [name, weight === undefined ? 1 : Number(weight.slice(2)) || 0];
    }),
  );
  const weightOf = (coding: Coding): number =>
    weights.get(coding) ?? (coding === "identity" ? LEAST : (weights.get("*") ?? 0));
  const [best = "identity"] = CODINGS.filter((coding) => weightOf(coding) > 0).sort(
    (a, b) => weightOf(b) - weightOf(a),
  );
  return best;
}

async function readModule(name: string): Promise<Buffer> {
  try {
    const text = await readFile(fileURLToPath(new URL(name, FOLDER)), "utf8");
    return Buffer.from(text.replace(MAP_COMMENT, ""));
  } catch (error) {
    return refuseOption("client", `cannot read the modules of this package: ${messageOf(error)}`);
  }
}

type Module = Readonly<Record<Coding, Encoded>>;

async function loadModule(name: string): Promise<Module> {
  const plain = await readModule(name);
  const [br, gzipped] = await Promise.all([promisify(brotliCompress)(plain), promisify(gzip)(plain, { level: 9 })]);
  const encode = (body: Buffer): Encoded => ({ body, etag: etagOf(body) });
  return { br: encode(br), gzip: encode(gzipped), identity: encode(plain) };
}

/** Answers requests for the modules. */
export class ClientModules {
  readonly #modules: ReadonlyMap<string, Module>;

  private constructor(modules: ReadonlyMap<string, Module>) {
    this.#modules = modules;
  }

  /** Rejects with `BAD_OPTION` where the package lacks a module: not built, or moved into the file of a bundler. */
  static async load(path: string): Promise<ClientModules> {
    const [client, protocol] = await Promise.all([
      loadModule(path.endsWith(SMALLEST) ? "client.min.js" : "client.js"),
      loadModule(PROTOCOL),
    ]);
    // In this order: a client whose own path is that of the protocol stays where the program has put the client.
    return new ClientModules(
      new Map([
        [normalPath(path.replace(/[^/]*$/, PROTOCOL)), protocol],
        [normalPath(path), client],
      ]),
    );
  }

  /** Paths are whole paths, as the paths of routes are, wherever a host has mounted the server. */
  takes(request: IncomingMessage): boolean {
    return this.#find(request) !== undefined;
  }

  /** @returns `false` for a request that is not for a module, and has no answer yet */
  answer(request: IncomingMessage, response: ServerResponse): boolean {
    const module = this.#find(request);
    if (module !== undefined) send(module, request, response);
    return module !== undefined;
  }

  #find(request: IncomingMessage): Module | undefined {
    return this.#modules.get(normalPath(readPath(wholeUrl(request))));
  }
}

function send(module: Module, { method, headers }: IncomingMessage, response: ServerResponse): void {
  if (method !== "GET" && method !== "HEAD") {
    response
      .writeHead(405, { Allow: "GET, HEAD", "Content-Type": "text/plain; charset=utf-8" })
      .end(`${method} is not answered here`);
    return;
  }
  const coding = chooseCoding(headers["accept-encoding"]?.toString());
  const { body, etag } = module[coding];
  addVary(response, "Accept-Encoding");
  response.setHeader("Cache-Control", "no-cache");
  response.setHeader("ETag", etag);
  if (matchesEtag(headers["if-none-match"], etag)) {
    response.writeHead(304).end();
    return;
  }
  response.setHeader("Content-Type", "text/javascript; charset=utf-8");
  response.setHeader("Content-Length", body.length);
  if (coding !== "identity") response.setHeader("Content-Encoding", coding);
  response.writeHead(200).end(method === "HEAD" ? undefined : body);
}
