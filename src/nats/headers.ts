/** A message's headers: one value as a string, several under one name as an array. */
export type MessageHeaders = Readonly<Record<string, string | readonly string[]>>;
