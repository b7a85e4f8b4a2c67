/** Where the images for machines have what is ours. */
export const OWN = "usr/lib/perigee";
