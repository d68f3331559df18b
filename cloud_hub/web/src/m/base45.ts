/** Base45 (RFC 9285): two bytes become three characters of the QR code's alphanumeric set. */

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

export function encodeBase45(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 2) {
    const pair = i + 1 < bytes.length;
    let rest = pair ? bytes[i]! * 256 + bytes[i + 1]! : bytes[i]!;
    for (let digits = pair ? 3 : 2; digits > 0; digits -= 1) {
      text += ALPHABET[rest % 45]!;
      rest = Math.floor(rest / 45);
    }
  }
  return text;
}
