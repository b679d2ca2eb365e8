/**
 * The subpath `sendall/asyncapi`: an AsyncAPI document from a protocol.
 *
 * @module sendall/asyncapi
 */
export { SendallError, type SendallErrorCode, type SendallErrorDetails } from "./api/errors.js";
export { type AsyncApiOptions, asyncapi } from "./asyncapi/asyncapi.js";
export type {
  AsyncApiChannel,
  AsyncApiDocument,
  AsyncApiMessage,
  AsyncApiOperation,
  AsyncApiReference,
  JsonSchema,
} from "./asyncapi/document.js";
