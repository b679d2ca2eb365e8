/**
 * The negotiation of permessage-deflate (RFC 7692 section 7.1) as far as `ws` leaves the negotiation open: which offers `ws` can answer,
 * and what the answer has agreed on. `websocket.ts` asks at each upgrade of a route with compression.
 */

/** A valid parameter of permessage-deflate (RFC 7692 section 7.1). */
const PARAMETER =
  /^(?:(?:server|client)_no_context_takeover|(?:server|client)_max_window_bits(?:=(?:"(?:8|9|1[0-5])"|8|9|1[0-5]))?)$/;

/** Whether `ws` can answer the offer; `ws` would refuse the whole upgrade over an offer with an invalid parameter. */
export function isValidOffer(header: string | undefined): boolean {
  const offers = header?.split(",").map((offer) => offer.split(";").map((part) => part.trim())) ?? [];
  return offers.every(
    ([name, ...parameters]) =>
      name !== "permessage-deflate" || parameters.every((parameter) => PARAMETER.test(parameter)),
  );
}

/** Whether the answer's headers agree on a 15-bit window: frames are compressed once, for the window of nearly every client. */
export function hasFullWindow(headers: readonly string[]): boolean {
  const agreed = headers.find((line) => line.startsWith("Sec-WebSocket-Extensions: permessage-deflate"));
  return agreed !== undefined && !/server_max_window_bits=(?!15)/.test(agreed);
}
