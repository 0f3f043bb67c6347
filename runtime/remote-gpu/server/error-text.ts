/** Texts of errors, which may quote what a client sent: they are no way to make a small message a large one. */

const maxLength = 4096;

export function cut(message: string): string {
  return message.length <= maxLength ? message : `${message.slice(0, maxLength)}…`;
}
