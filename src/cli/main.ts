/** The commands of `sendall`. Each is loaded when it is asked for, since loading takes longer than most commands. */
export async function main(args: readonly string[]): Promise<void> {
  const [command, ...rest] = args;
  if (command === "connect") {
    const { connectCommand } = await import("./connect.js");
    return connectCommand(rest);
  }
  if (command === "asyncapi") {
    const { asyncapiCommand } = await import("./asyncapi.js");
    return asyncapiCommand(rest);
  }
  const { serveCommand } = await import("./serve.js");
  return serveCommand(args);
}
