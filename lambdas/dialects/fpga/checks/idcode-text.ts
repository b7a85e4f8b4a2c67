/** A device's IDCODE as people write it: `0x03822093`. */
export const idcodeText = (word: number) => `0x${(word >>> 0).toString(16).padStart(8, "0")}`;
