/**
 * What the file system answers, in words for people: which folder, what is the matter, what to do.
 * The store runs each of its operations through `describeFailures`.
 */
import { DawnletError } from "../../kernels/errors.ts";
import { errorNumber } from "./files.ts";

/**
 * Runs one operation on a folder.
 * @param action What is being done, to follow "Cannot": "store the upload".
 * @throws DawnletError UNAVAILABLE where the file system refuses. Other errors pass as they are.
 */
export async function describeFailures<T>(
  action: string,
  folder: string,
  operation: () => Promise<T>,
): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    const code = errorNumber(error);
    if (error instanceof DawnletError || code === undefined) throw error;
    const message = `Cannot ${action} in '${folder}' as ${explain(code)}`;
    throw new DawnletError("UNAVAILABLE", message, { cause: error });
  }
}

function explain(code: string): string {
  switch (code) {
    case "ENOSPC":
      return "its disk is full: free some space, or start the gateway with another data folder";
    case "EDQUOT":
      return "the disk quota of its user is used up: free some space, or start the gateway with another data folder";
    case "EFBIG":
      return "a file may not grow so large: raise the limit (ulimit -f), or start the gateway with another data folder";
    case "EACCES":
    case "EPERM":
      return "the user that runs the gateway may not read or write it: change its owner or its rights";
    case "EROFS":
      return "its disk is mounted read-only: start the gateway with another data folder";
    case "ENOTDIR":
    case "EEXIST":
      return "a file is in the place of a folder: remove it, or start the gateway with another data folder";
    case "EMFILE":
    case "ENFILE":
      return "too many files are open: raise the limit (ulimit -n), or send fewer requests at once";
    default:
      return `the file system answered ${code}`;
  }
}
