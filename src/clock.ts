/**
 * Time as a value that can be handed in.
 *
 * Only differences of `now()` mean anything: the clock is monotonic, has no date and
 * is never compared with another machine's.
 */
export interface Clock {
	/** Milliseconds since some fixed moment in the past. */
	now(): number;
	/** Resolves after `ms`, or rejects with the signal's reason when it aborts first. */
	sleep(ms: number, signal?: AbortSignal): Promise<void>;
}
