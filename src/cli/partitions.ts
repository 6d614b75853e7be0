/** How many partitions, when nobody says. */
import { isDocktorError } from "../index.ts";

/** What a subject gets that nobody has set up before. */
const DEFAULT_PARTITIONS = 32;

/**
 * Opens with the count that was given. Without one, with the count the server knows; and
 * where it knows none yet, with the default.
 */
export async function withPartitions<T>(
  given: number | undefined,
  open: (partitions: number | undefined) => Promise<T>,
): Promise<T> {
  try {
    return await open(given);
  } catch (error) {
    if (!isDocktorError(error, "PARTITION_COUNT_UNKNOWN")) throw error;
  }
  try {
    return await open(DEFAULT_PARTITIONS);
  } catch (error) {
    // Another process was faster, and set another count.
    if (!isDocktorError(error, "PARTITION_COUNT_MISMATCH")) throw error;
  }
  return await open(undefined);
}
