/**
 * The events of a page, or of a worker of a page, that a client hears: the network is back, the page is shown again or left. `create-client.ts`
 * listens from the start of a client to the client's end. A program without a page has no such events.
 */

interface PageEvent {
  readonly type: string;
  readonly persisted?: boolean;
}

/** The part of `window` that is used; all of it is missing in a program without a page. */
interface Page {
  readonly document?: { readonly visibilityState?: string };
  addEventListener?(type: string, listener: (event: PageEvent) => void): void;
  removeEventListener?(type: string, listener: (event: PageEvent) => void): void;
}

// `visibilitychange` is an event of the document, and reaches the window, too.
const TYPES = ["online", "pageshow", "visibilitychange", "pagehide"];

/**
 * @param onBack called when the network is back, or the page is shown again
 * @param onLeft called when the page is left for good, not kept for the way back
 * @returns stops listening
 */
export function watchPage(onBack: () => void, onLeft: () => void): () => void {
  const page = globalThis as Page;
  const listener = ({ type, persisted }: PageEvent): void => {
    if (type === "pagehide") {
      if (!persisted) onLeft();
    } else if (type !== "visibilitychange" || page.document?.visibilityState !== "hidden") onBack();
  };
  const each = (verb: "addEventListener" | "removeEventListener"): void => {
    for (const type of TYPES) page[verb]?.(type, listener);
  };
  each("addEventListener");
  return () => each("removeEventListener");
}
