import { createServer } from "node:http";
import { createHmac, timingSafeEqual } from "node:crypto";

const secret = process.env.HOOK_SECRET;

function isOurs(headers, body) {
  const { "webhook-id": id, "webhook-timestamp": time, "webhook-signature": signature } = headers;
  if (!(Math.abs(Date.now() / 1000 - Number(time)) < 300)) return false;
  const mac = createHmac("sha256", secret).update(`${id}.${time}.`).update(body).digest("base64");
  const [given, expected] = [Buffer.from(String(signature)), Buffer.from(`v1,${mac}`)];
  return given.length === expected.length && timingSafeEqual(given, expected);
}

function decide(question) {
  if (question.event === "publish" && question.data?.text?.length > 500) {
    return { allow: false, message: "at most 500 characters" };
  }
  return { allow: true };
}

createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  if (!isOurs(request.headers, body)) return response.writeHead(401).end();
  const call = JSON.parse(body);
  if (call.events) {
    for (const event of call.events) console.log(event.event, event.channel ?? event.connection);
    return response.writeHead(204).end();
  }
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(decide(call)));
}).listen(Number(process.env.PORT ?? 8080), "127.0.0.1", () => console.log("listening"));
