/** `PERIGEE_QEMU=off` leaves out what boots virtual machines: those tests are skipped, and CI's last line counts them. */
export const WITHOUT_MACHINES = process.env.PERIGEE_QEMU === "off";
