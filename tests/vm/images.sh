# shellcheck shell=bash
# images.sh - what `vm` boots: kernels and a user land out of Debian's packages, fetched once into $cache. Sourced by ./vm.

cache=${VM_CACHE:-${AEGISBPF_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/aegisbpf}/vm}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
packages=${VM_PACKAGES:-bash coreutils busybox-static libbpf1 libelf1 zlib1g libgcc-s1 libstdc++6}
spare_inodes=16384
rootsuite=${VM_ROOT_SUITE:-bookworm}

suite_of() { # VERSION
  case $1 in
  5.10) echo bullseye ;;
  6.1) echo bookworm ;;
  6.12) echo trixie ;;
  7.3) echo trixie-backports ;;
  sid) echo sid ;;
  *) die "no kernel $1 (5.10 6.1 6.12 7.3 sid)" ;;
  esac
}

debarch() { # ARCH
  case $1 in
  x86_64) echo amd64 ;;
  aarch64) echo arm64 ;;
  *) die "no arch $1 (x86_64 aarch64)" ;;
  esac
}

# Runs a command while no other `vm` makes the same thing.
locked() { # NAME COMMAND...
  mkdir -p "$cache"
  local lock
  exec {lock}>"$cache/$1.lock"
  flock "$lock"
  "${@:2}" {lock}>&- # what it starts must not hold the lock
  exec {lock}>&-
}

# The archive that this machine's own apt uses (elsewhere: VM_MIRROR=URL of a Debian mirror's parent directory).
mirror() { # debian/ | debian-security/
  if [ -n "${VM_MIRROR:-}" ]; then
    echo "${VM_MIRROR%/}/$1"
    return
  fi
  # shellcheck disable=SC2016 # apt's variable
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m1 "/$1\$" || echo "http://deb.debian.org/$1"
}

make_apt() { # SUITE DEBARCH DIR
  [ ! -e "$3/ok" ] || return 0
  [ -e "$keyring" ] || die "no $keyring: install debian-archive-keyring"
  mkdir -p "$3"/lists/partial "$3"/archives/partial
  : >"$3/status"
  echo "deb [signed-by=$keyring] $(mirror debian/) $1 main" >"$3/sources"
  case $1 in
  bullseye | bookworm | trixie)
    echo "deb [signed-by=$keyring] $(mirror debian-security/) $1-security main" >>"$3/sources"
    ;;
  esac
  cat >"$3/conf" <<EOF
Dir::Etc::sourcelist "$3/sources"; Dir::Etc::sourceparts "/dev/null"; Dir::Etc::preferencesparts "/dev/null";
Dir::State::Lists "$3/lists"; Dir::State::status "$3/status"; Dir::Cache "$3"; Dir::Cache::archives "archives";
APT::Architecture "$2"; APT::Architectures {"$2";}; Acquire::Languages "none"; APT::Sandbox::User "root";
EOF
  APT_CONFIG=$3/conf apt-get -qq update >&2
  touch "$3/ok"
}

# A private apt state per suite and architecture: the host's own sources and status stay untouched.
apt_for() { # SUITE DEBARCH -> prints the configuration file
  locked "apt-$1-$2" make_apt "$1" "$2" "$cache/apt/$1-$2"
  echo "$cache/apt/$1-$2/conf"
}

# Unpacks the ELF image, so that the guest does not have to (and PVH boot skips the BIOS).
vmlinux_of() { # BZIMAGE OUT
  local tool magic pos
  while read -r tool magic; do
    while read -r pos; do
      tail -c+$((pos + 1)) "$1" | $tool -dc >"$2" 2>/dev/null || true
      [ "$(head -c4 "$2" | tail -c3)" != ELF ] || return 0
    done < <(LC_ALL=C grep -aboP "$magic" "$1" | cut -d: -f1)
  done <<'EOF'
zstd \x28\xb5\x2f\xfd
xz \xfd7zXZ\x00
lz4 \x02\x21\x4c\x18
gzip \x1f\x8b\x08
EOF
  die "cannot unpack $1"
}

unpack_kernel() { # VERSION DEBARCH DIR: the kernel's packages, unpacked into DIR
  local conf pkgs
  conf=$(apt_for "$(suite_of "$1")" "$2")
  mapfile -t pkgs < <(APT_CONFIG=$conf apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
    --no-replaces --no-enhances "linux-image-cloud-$2" | grep -E '^linux-(image|binary|modules|base)-[0-9]' | grep -v unsigned | sort -u)
  [ ${#pkgs[@]} -gt 0 ] || die "no kernel package for $1 $2"
  mkdir -p "$3"
  (
    cd "$3" || exit
    APT_CONFIG=$conf apt-get -qq download "${pkgs[@]}" >&2
    for p in *.deb; do
      dpkg-deb -x "$p" .
      rm "$p"
    done
  )
}

modules_root() { # DIR -> prints the folder that holds lib/modules
  if [ -d "$1/lib/modules" ]; then echo "$1"; else echo "$1/usr"; fi
}

# Copies modules and all that they depend on to INITRD/vm/m, in the order to insert them, and lists them in INITRD/vm/LIST.
pick_modules() { # TREE INITRD LIST NAME...
  local root ver m f
  root=$(modules_root "$1")
  ver=$(ls "$root/lib/modules")
  mkdir -p "$2/vm/m"
  : >"$2/vm/$3"
  for m in "${@:4}"; do
    modprobe -d "$root" -S "$ver" --show-depends "$m" 2>/dev/null | awk '$1 == "insmod" { print $2 }' || true
  done | awk '!seen[$0]++' | while read -r f; do
    case $f in
    *.xz) xz -dc "$f" >"$2/vm/m/$(basename "$f" .xz)" ;;
    *) cp "$f" "$2/vm/m/" ;;
    esac
    echo "/vm/m/$(basename "$f" .xz)" >>"$2/vm/$3"
  done
}

pack_cpio() { # DIR OUT
  (cd "$1" && find . | cpio -o -H newc --quiet) >"$2"
}

make_kernel() { # VERSION DEBARCH DIR
  [ ! -e "$3/ok" ] || return 0
  local d=$3 root ver img
  rm -rf "$d"
  mkdir -p "$d/i/bin"
  unpack_kernel "$1" "$2" "$d/x"
  root=$(modules_root "$d/x")
  ver=$(ls "$root/lib/modules")
  img=$(find "$d/x" -type f -name 'vmlinu*' | head -1)
  if [ "$2" = amd64 ]; then vmlinux_of "$img" "$d/kernel"; else cp "$img" "$d/kernel"; fi
  cp "$(find "$d/x" -type f \( -name 'config-*' -o -name config \) | head -1)" "$d/config"
  depmod -b "$root" "$ver"
  pick_modules "$d/x" "$d/i" modules virtio_pci virtio_mmio virtio_blk virtio_console
  cp "$(rootfs_dir "$2")/bin/busybox" "$d/i/bin/busybox"
  pack_cpio "$d/i" "$d/initrd"
  rm -rf "$d/x" "$d/i"
  echo "$ver" >"$d/version"
  touch "$d/ok"
}

kernel() { # VERSION ARCH -> prints the folder with `kernel`, `initrd`, `config`, `version`
  local a d
  suite_of "$1" >/dev/null
  a=$(debarch "$2")
  d=$cache/kernel-$1-$a
  locked "kernel-$1-$a" make_kernel "$1" "$a" "$d"
  echo "$d"
}

make_module_cpio() { # VERSION DEBARCH KERNEL_DIR NAMES OUT
  [ ! -e "$5" ] || return 0
  local tree=$3/x root ver names
  rm -rf "$tree" "$3/i"
  unpack_kernel "$1" "$2" "$tree"
  root=$(modules_root "$tree")
  ver=$(ls "$root/lib/modules")
  [ "$ver" = "$(cat "$3/version")" ] || die "the archive has $ver now, the cache $(cat "$3/version"): remove $3"
  depmod -b "$root" "$ver"
  IFS=, read -ra names <<<"$4"
  pick_modules "$tree" "$3/i" modules.more "${names[@]}"
  pack_cpio "$3/i" "$5.part"
  rm -rf "$tree" "$3/i"
  mv "$5.part" "$5"
}

# The cloud kernels' packages hold overlay, xfs, btrfs and loop too; only what is named goes into the guest.
module_cpio() { # VERSION ARCH NAMES -> prints a cpio archive to append to the initrd
  local a d
  a=$(debarch "$2")
  d=$(kernel "$1" "$2")
  locked "kernel-$1-$a" make_module_cpio "$1" "$a" "$d" "$3" "$d/modules-$3.cpio"
  echo "$d/modules-$3.cpio"
}

make_rootfs() { # DEBARCH DIR
  [ ! -e "$2.ok" ] || return 0
  local d=$2 conf deb l
  rm -rf "$d"
  mkdir -p "$d"
  conf=$(apt_for "$rootsuite" "$1")
  rm -f "$(dirname "$conf")"/archives/*.deb
  # shellcheck disable=SC2086 # a list of packages
  APT_CONFIG=$conf apt-get -qq -y -d --no-install-recommends install $packages >&2
  for deb in "$(dirname "$conf")"/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$deb" | tar x -C "$d" --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*'
  done
  mkdir -p "$d"/{proc,sys,dev,run,tmp,root,etc,usr/local/bin}
  echo 'root:x:0:0:root:/root:/bin/bash' >"$d/etc/passwd"
  echo root:x:0: >"$d/etc/group"
  [ -e "$d/bin/sh" ] || ln -s bash "$d/bin/sh"
  for l in mount umount grep ps sed awk dmesg ip insmod sleep find tar vi less free; do
    [ -e "$d/bin/$l" ] || [ -e "$d/usr/bin/$l" ] || ln -s /bin/busybox "$d/usr/local/bin/$l"
  done
  touch "$d.ok"
}

# The guest's user land: unpacked (not installed) debs, so it needs no chroot and works for a foreign architecture.
rootfs_dir() { # DEBARCH -> prints the folder
  local d=$cache/root-$rootsuite-$1
  [ -z "${VM_PACKAGES:-}" ] || d=$d-$(echo "$packages" | sha256sum | cut -c1-8)
  locked "${d##*/}" make_rootfs "$1" "$d"
  echo "$d"
}

# An ext4 image of DIR (ext4 is built in to every Debian kernel).
image() { # DIR OUT [SPARE_MIB]
  local kib files
  kib=$(du -sk --apparent-size "$1" | cut -f1)
  files=$(find "$1" | wc -l)
  rm -f "$2"
  : >"$2"
  mke2fs -q -t ext4 -O ^has_journal -E lazy_itable_init=1,nodiscard -m 0 -N $((files + spare_inodes)) -d "$1" "$2" \
    $((kib * 11 / 10 + files * 4 + ${3:-16} * 1024))k
}

make_root_image() { # DIR OUT
  [ ! -e "$2" ] || return 0
  image "$1" "$2.part" 256
  mv "$2.part" "$2"
}

root_image() { # DEBARCH -> prints the image
  local d
  d=$(rootfs_dir "$1")
  locked "${d##*/}.img" make_root_image "$d" "$d-$spare_inodes.img"
  echo "$d-$spare_inodes.img"
}
