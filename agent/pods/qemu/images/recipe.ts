/** What the two images are made of, beside the sources of the guest. A change makes a new version of both. */
export const RECIPE = {
  /** grows when how they are made changes */
  edition: 1,
  /** Debian's packages in the image with compilers, beside the cross compiler */
  build: [
    ...[
      "picolibc-aarch64-linux-gnu",
      "gcc",
      "libc6-dev",
      "make",
      "e2fsprogs",
      "e2fsck-static",
      "dosfstools",
      "mtools",
    ],
    // libc-bin: what names of files are in FAT
    ...["dash", "coreutils", "sed", "grep", "tar", "libc-bin"],
  ],
  /** modules of the kernel, each after those it needs */
  modules: [
    ...["drivers/virtio/virtio_ring", "drivers/virtio/virtio", "drivers/virtio/virtio_mmio"],
    ...["drivers/virtio/virtio_pci_legacy_dev", "drivers/virtio/virtio_pci_modern_dev"],
    ...["drivers/virtio/virtio_pci", "drivers/block/virtio_blk"],
    ...["net/core/failover", "drivers/net/net_failover", "drivers/net/virtio_net"],
    ...["fs/nls/nls_cp437", "fs/nls/nls_utf8", "fs/fat/fat", "fs/fat/vfat"],
  ],
  /** of packages, what no machine needs */
  leftOut: [
    ...["doc", "man", "info", "locale", "lintian", "bug", "iso-codes", "icons", "alsa", "i18n"].map(
      (name) => `./usr/share/${name}`,
    ),
    ...["./usr/lib/systemd", "./usr/lib/udev", "./usr/lib/*/perl*", "./usr/share/perl*"],
    ...[
      "./usr/lib/gcc/*/*/lib*san*",
      "./usr/lib/gcc-cross/*/*/lib*san*",
      "./usr/*/lib/lib*san*",
      "./dev",
      "./var",
    ],
  ],
};
