/**
 * The events of a page, or of a worker of a page, that a client hears: the network is back, the page is shown again or left. `create-client.ts`
 * listens from the start of a client to the client's end. A program without a page has no such events.
 */

/** What a client does when the page tells something. */
export interface PageListener {
  /** The network is back, or the page is shown again. */
  onBack(): void;
  /** The page is left for good, not kept for the way back. */
  onLeft(): void;
}

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

/** @returns stops listening */
export function watchPage({ onBack, onLeft }: PageListener): () => void {
  const page = globalThis as Page;
  const listener = ({ type, persisted }: PageEvent): void => {
    if (type === "pagehide") {
      if (!persisted) onLeft();
    } else if (type !== "visibilitychange" || page.document?.visibilityState !== "hidden") onBack();
  };
  for (const type of TYPES) page.addEventListener?.(type, listener);
  return () => {
    for (const type of TYPES) page.removeEventListener?.(type, listener);
  };
}
