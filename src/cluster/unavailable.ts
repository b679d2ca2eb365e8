/** The error of a cluster that cannot be reached when the server starts. */
import { SendallError } from "../api/errors.js";
import { isError, messageOf } from "../runtime/thrown.js";

export function unavailable(engine: string, error: unknown): SendallError {
  if (isError(error) && error instanceof SendallError) return error;
  const problem = `cluster: cannot connect to ${engine}: ${messageOf(error)}`;
  return new SendallError("CLUSTER_UNAVAILABLE", problem, { cause: error });
}
