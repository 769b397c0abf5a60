// Read the public topics' bytes: msgpack -> plain objects with typed arrays.

export function unpack(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), text = new TextDecoder("utf-8", { fatal: true });
  let at = 0;
  const take = n => { if (at + n > bytes.length) throw new RangeError("the message ends early"); at += n; return at - n; };
  const string = n => text.decode(bytes.subarray(take(n), at));
  const binary = n => bytes.slice(take(n), at);
  const list = (n, depth) => { const out = []; while (n--) out.push(value(depth + 1)); return out; };
  const map = (n, depth) => { const out = {}; while (n--) { const key = String(value(depth + 1)); out[key] = value(depth + 1); } return out; };
  const u8 = () => view.getUint8(take(1)), u16 = () => view.getUint16(take(2)), u32 = () => view.getUint32(take(4));
  const big = high => high * 4294967296 + u32();
  function value(depth) {
    if (depth > 16) throw new RangeError("nested too deeply");
    const b = u8();
    if (b < 0x80) return b;
    if (b < 0x90) return map(b & 15, depth);
    if (b < 0xa0) return list(b & 15, depth);
    if (b < 0xc0) return string(b & 31);
    if (b >= 0xe0) return b - 256;
    switch (b) {
      case 0xc0: return null; case 0xc2: return false; case 0xc3: return true;
      case 0xc4: return binary(u8()); case 0xc5: return binary(u16()); case 0xc6: return binary(u32());
      case 0xca: return view.getFloat32(take(4)); case 0xcb: return view.getFloat64(take(8));
      case 0xcc: return u8(); case 0xcd: return u16(); case 0xce: return u32(); case 0xcf: return big(u32());
      case 0xd0: return view.getInt8(take(1)); case 0xd1: return view.getInt16(take(2)); case 0xd2: return view.getInt32(take(4)); case 0xd3: return big(view.getInt32(take(4)));
      case 0xd9: return string(u8()); case 0xda: return string(u16()); case 0xdb: return string(u32());
      case 0xdc: return list(u16(), depth); case 0xdd: return list(u32(), depth);
      case 0xde: return map(u16(), depth); case 0xdf: return map(u32(), depth);
    }
    throw new RangeError("no such type: " + b);
  }
  const result = value(0);
  if (at !== bytes.length) throw new RangeError("bytes behind the message");
  return result;
}
const floats = bytes => new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
export function readMessage(buffer) {
  const bytes = new Uint8Array(buffer), zero = bytes.indexOf(0);
  if (zero < 0) throw new RangeError("no topic");
  const [topic, source] = new TextDecoder().decode(bytes.subarray(0, zero)).split("/");
  const body = unpack(bytes.subarray(zero + 1));
  if (topic === "pose3d") body.people.forEach(readPerson);
  return { topic, source, body };
}
function readPerson(person) {
  for (const name of ["xyz", "sigma", "age_ms", "reliability", "xy"]) person[name] = floats(person[name]);
  person.root_cam = person.root_cam && floats(person.root_cam);
  if (person.xyz.length !== 3 * person.state.length || person.xy.length !== 2 * person.state.length) throw new RangeError("arrays of different length");
}
