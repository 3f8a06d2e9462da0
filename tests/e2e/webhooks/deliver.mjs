// Sends valid and invalid deliveries, signed by the JavaScript library of Standard Webhooks. Prints
// the responses as JSON.
import { createRequire } from "node:module";
import { request } from "node:http";

const { ADDRESS, SECRET, OLD_SECRET, FIRST, SECOND, MODULES } = process.env;
const { Webhook } = createRequire(`${MODULES}/`)("standardwebhooks");
const responses = {};

function signed(body, { id, when = new Date(), secrets = [SECRET] }) {
  return {
    "content-type": "application/json",
    "webhook-id": id,
    "webhook-timestamp": String(Math.floor(when.getTime() / 1000)),
    "webhook-signature": secrets.map((secret) => new Webhook(secret).sign(id, when, body)).join(" "),
  };
}

async function deliver(name, body, options, sent = body) {
  const response = await fetch(ADDRESS, { method: "POST", headers: signed(body, options), body: sent });
  responses[name] = [response.status, (await response.json()).status ?? null];
}

// Sends a part of the body only: the connection stays open until the server closes it.
function slow(name, body, options) {
  return new Promise((resolve) => {
    const headers = { ...signed(body, options), "content-length": Buffer.byteLength(body) };
    const call = request(ADDRESS, { method: "POST", headers }, (response) => {
      responses[name] = [response.statusCode, null];
      response.resume();
      response.on("end", () => resolve(call.destroy()));
    });
    call.on("error", () => resolve());
    call.write(body.slice(0, 5));
  });
}

const ended = (batch) =>
  JSON.stringify({ type: "message_batch.ended", data: { id: batch, note: "Grüße 🌙" } });
const minutes = (number) => new Date(Date.now() + number * 60_000);

// The end of a batch arrives before its creation, twice, and signed with an old key, too.
await deliver("first", ended(FIRST), { id: "msg_1" });
await deliver("again", ended(FIRST), { id: "msg_1" });
await deliver("retried", ended(FIRST), { id: "msg_1", when: minutes(1) });
await deliver("earlier", JSON.stringify({ type: "message_batch.created", data: { id: FIRST } }), {
  id: "msg_0",
});
await deliver("rotated", JSON.stringify({ type: "batch.completed", data: { batch_id: SECOND } }), {
  id: "msg_2",
  secrets: ["whsec_" + Buffer.from("a key that nobody knows").toString("base64"), OLD_SECRET],
});
await deliver("empty", JSON.stringify({ type: "batch.completed", data: {} }), { id: "msg_3" });
await deliver("forged", ended(FIRST), { id: "msg_4" }, ended(SECOND));
await deliver("stranger", ended(FIRST), {
  id: "msg_5",
  secrets: ["whsec_" + Buffer.from("a key that nobody knows").toString("base64")],
});
await deliver("stale", ended(FIRST), { id: "msg_6", when: minutes(-6) });
await deliver("early", ended(FIRST), { id: "msg_7", when: minutes(6) });
await deliver("large", JSON.stringify({ type: "x", padding: "x".repeat(300_000) }), { id: "msg_8" });
await slow("slow", ended(FIRST), { id: "msg_9" });
console.log(JSON.stringify(responses));
