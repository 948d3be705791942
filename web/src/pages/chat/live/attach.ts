/**
 * Pictures and sounds for a model, read in the browser: a picture larger than a model looks at is
 * made smaller here, so that it costs neither time nor tokens.
 */
import { format } from "@/ui";

import type { Attachment } from "../core/types";

/** The longer side: what vision models cut pictures down to anyway, and then some. */
const SIDE_PX_MAX = 1_568;

/** Of one sound: as base64 a third more, and a request takes 32 MiB in all. */
const AUDIO_BYTES_MAX = 16 * 1024 * 1024;

/** Of all that goes with one question: as base64 a third more, and words need some of the 32 MiB too. */
const TOGETHER_BYTES_MAX = 22 * 1024 * 1024;

const JPEG_QUALITY = 0.9;

/** Formats that engines know as they are. */
const KEPT = new Set(["image/png", "image/jpeg", "image/webp"]);
const AUDIO = /^audio\/(?:wav|x-wav|wave|mpeg|mp3)$/;

export const ACCEPTED = "image/*,audio/wav,audio/mpeg";

/**
 * A file as an attachment.
 *
 * @throws Error why it cannot be one.
 */
export async function attachmentOf(file: File): Promise<Attachment> {
  if (AUDIO.test(file.type)) {
    if (file.size > AUDIO_BYTES_MAX) throw new Error(`${file.name} is larger than 16 MiB.`);
    return { kind: "audio", name: file.name, mime: file.type, url: await dataUrl(file), bytes: file.size };
  }
  if (!file.type.startsWith("image/")) {
    throw new Error(`${file.name} is neither a picture nor a WAV or MP3 sound.`);
  }
  return await imageOf(file);
}

/**
 * Whether one more file goes with those that are attached already.
 *
 * @throws Error why it does not.
 */
export function checkTogether(files: readonly Attachment[], more: Attachment): void {
  const bytes = files.reduce((sum, file) => sum + file.bytes, more.bytes);
  if (bytes <= TOGETHER_BYTES_MAX) return;
  throw new Error(
    `${more.name} is too much: with what is attached already it is ${format.bytes(bytes)}, and one question takes ${format.bytes(TOGETHER_BYTES_MAX)}.`,
  );
}

async function imageOf(file: File): Promise<Attachment> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error(`${file.name} is no picture that this browser can read.`);
  }
  const scale = Math.min(1, SIDE_PX_MAX / Math.max(bitmap.width, bitmap.height));
  if (scale === 1 && KEPT.has(file.type)) {
    bitmap.close();
    return { kind: "image", name: file.name, mime: file.type, url: await dataUrl(file), bytes: file.size };
  }
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(bitmap.width * scale);
  canvas.height = Math.round(bitmap.height * scale);
  canvas.getContext("2d")?.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  // A PNG may have holes, which JPEG would fill with black.
  const mime = file.type === "image/png" ? "image/png" : "image/jpeg";
  const url = canvas.toDataURL(mime, JPEG_QUALITY);
  return { kind: "image", name: file.name, mime, url, bytes: Math.round(url.length * 0.75) };
}

function dataUrl(file: File): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result as string);
    reader.onerror = () => reject(new Error(`${file.name} cannot be read.`));
    reader.readAsDataURL(file);
  });
}
