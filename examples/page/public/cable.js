// The page's half of a cable that can be pulled (../cable.js has the server's half): what the page needs is a button.
import { connect } from "/sendall/client.js";

/**
 * Gets a cable for this page, and lets a button pull and plug it. `listener` is called with {state, isPlugged} whenever either changes:
 * `state` is that of the client by which the page holds the plug.
 */
export function openCable(button, listener = () => {}) {
  let isPlugged = true;
  let port = later();
  const client = connect("cable", {
    onOpen({ resumed }) {
      // The server was started again: another cable comes. Who has waited for the first goes on waiting.
      if (!resumed && port.isSettled) port = later();
    },
    onMessage(json) {
      const cable = JSON.parse(json);
      isPlugged = cable.isPlugged;
      port.resolve(cable.port);
      show();
    },
  });
  const show = () => {
    const { state } = client;
    button.disabled = state !== "open";
    button.textContent = isPlugged ? "Pull the cable" : "Plug the cable in";
    button.setAttribute("aria-pressed", String(!isPlugged));
    listener({ state, isPlugged });
  };
  button.addEventListener("click", () => client.send(isPlugged ? "pull" : "plug in"));
  client.subscribe(show);
  show();
  return {
    /** The address of a path at the other end of the cable, for `connect(() => cable.address("path"))`. */
    address: async (path) => `ws://${window.location.hostname}:${await port.promise}/${path}`,
  };
}

function later() {
  const made = { isSettled: false };
  made.promise = new Promise((resolve) => {
    made.resolve = (value) => {
      made.isSettled = true;
      resolve(value);
    };
  });
  return made;
}
