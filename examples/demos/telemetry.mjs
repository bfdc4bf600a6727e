// Four devices that send twelve bytes each: number, a byte of nothing, sequence, temperature,
// humidity, big endian. A device of flesh would use a raw WebSocket; HTTP does as well.

const SEND_MS = 250;
const DEVICES = [1, 2, 3, 4];

export async function run(fanwire, sleep) {
  const begun = Date.now();
  for (let sequence = 0; ; sequence = (sequence + 1) % 65_536) {
    const t = (Date.now() - begun) / 1000;
    const items = DEVICES.map((number) => {
      const bytes = Buffer.alloc(12);
      bytes.writeUInt8(number, 0);
      bytes.writeUInt16BE(sequence, 2);
      bytes.writeFloatBE(
        12 + 5 * number + 3 * Math.sin(t / (3 + number) + number) + Math.random() / 2,
        4,
      );
      bytes.writeFloatBE(55 + 10 * Math.cos(t / 9 + number), 8);
      return { channel: "demo.telemetry", encoding: "base64", data: bytes.toString("base64") };
    });
    await fanwire.publish(...items);
    await sleep(SEND_MS);
  }
}
