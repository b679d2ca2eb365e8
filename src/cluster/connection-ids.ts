/** The form of connection ids within a cluster: the id of the node, a dot, the id within the node. */
const ID = /^([0-9a-f]{12})\.[!-~]{1,200}$/;

/** @returns the node of a connection; `undefined` for what is no id of a cluster */
export function nodeOfConnection(id: string): string | undefined {
  return ID.exec(id)?.[1];
}
