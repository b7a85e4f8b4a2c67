/** `PERIGEE_QEMU=off` leaves out what boots virtual machines; CI says before its last line how many tests that were. */
export const WITHOUT_MACHINES = process.env.PERIGEE_QEMU === "off";
