# shellcheck shell=bash disable=SC2034
# lib.sh - what the scripts share: messages, the host's package manager, Debian's source packages, the Deno binary.
# Sourced, never run. Runs on Debian 12, Ubuntu 22.04 (apt) and RHEL 9 and its kin (dnf).
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$top/build
# Downloads worth keeping between clean checkouts. Everything works, only slower, where it is empty.
cache=${AEGISBPF_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/aegisbpf}
if [ -t 2 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' plain=$'\e[0m'; else bold='' plain=''; fi

PATH=$PATH:/usr/sbin:/sbin

say() { printf '%s\n' "$bold==>$plain $*" >&2; }
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

arch=$(uname -m)
case $arch in
  x86_64) deno_package=linux-x64-glibc esbuild_package=linux-x64 ;;
  aarch64) deno_package=linux-arm64-glibc esbuild_package=linux-arm64 ;;
  *) die "x86_64 and aarch64 are supported, this is $arch" ;;
esac
deno_bin=$top/node_modules/@deno/$deno_package/deno
esbuild_bin=$top/node_modules/@esbuild/$esbuild_package/bin/esbuild

# Debian's name of a machine.
debian_arch() { case $1 in x86_64) echo amd64 ;; aarch64) echo arm64 ;; esac; }

# Whether an ELF file is for a machine.
is_for() { # ARCH FILE
  case "$1 $(readelf -h "$2" 2>/dev/null)" in "x86_64 "*'X86-64'* | "aarch64 "*AArch64*) ;; *) return 1 ;; esac
}

# One hash over files (by content and name) and words: the key under which a result is kept.
key_of() { # FILE-OR-WORD...
  local x
  for x; do if [ -f "$x" ]; then sha256sum <"$x"; fi; printf '%s\n' "${x#"$top"/}"; done | sha256sum | cut -c1-32
}
fresh() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; } # KEYFILE KEY

# The time that stands in what is built, seconds since 1970: the commit's, so that two builds of it are the same.
epoch() { echo "${SOURCE_DATE_EPOCH:-$(git -C "$top" log -1 --format=%ct 2>/dev/null || echo 0)}"; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif has sudo; then sudo "$@"
  else die "needs root for: $*"; fi
}

# Installs packages by the host's own names.
install_packages() { # PACKAGE...
  if has apt-get; then
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 -o Acquire::Retries=3)
    say "apt-get install $*"
    # A first try with the lists at hand: fetching them anew takes longer than most installs.
    as_root "${apt[@]}" -y --no-install-recommends install "$@" >/dev/null 2>&1 && return
    as_root "${apt[@]}" update >&2
    as_root "${apt[@]}" -y --no-install-recommends install "$@" >&2
  elif has dnf; then
    say "dnf install $*"
    local dnf=(dnf -q -y --setopt=install_weak_deps=False)
    # libbpf-devel is in CRB, which is off by default.
    as_root "${dnf[@]}" install "$@" >&2 || as_root "${dnf[@]}" --enablerepo=crb install "$@" >&2
  else
    die "neither apt-get nor dnf here; install by hand: $*"
  fi
}

# The parent of the folders debian/ and debian-security/: what this machine's apt uses; on Ubuntu, debootstrap's default.
debian_mirror() {
  local uri
  if [ -n "${VM_MIRROR:-}" ]; then echo "${VM_MIRROR%/}"; return; fi
  has apt-get || return 1
  # shellcheck disable=SC2016 # apt's own variable
  uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | grep -m1 '/debian/$') ||
    uri=$(sed -n 's/^DEF_MIRROR="\(.*\/debian\)"$/\1/p' /usr/sbin/debootstrap 2>/dev/null)
  uri=${uri%/}
  [ -n "$uri" ] && echo "${uri%/debian}"
}

# Tells tests/vm where guests are kept, and where Debian's packages come from.
vm_sources() {
  export VM_CACHE=${VM_CACHE:-$cache/vm}
  # Ubuntu's apt cannot tell where the guests' kernels, which are Debian's, come from.
  if grep -qx ID=ubuntu /etc/os-release; then export VM_MIRROR=${VM_MIRROR:-$(debian_mirror)}; fi
}

# Leaves a source package's upstream tarball in the current folder. The apt state is private: the host's sources,
# lists and package status are neither read nor changed.
debian_source() { # SUITE PACKAGE...
  local suite=$1 d mirror keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  shift
  mirror=$(debian_mirror) || { echo "no Debian archive known here (set VM_MIRROR to a mirror's parent address)" >&2; return 1; }
  [ -f "$keyring" ] || { echo "no $keyring" >&2; return 1; }
  d=$PWD/apt
  mkdir -p "$d/lists/partial" "$d/archives/partial"
  : >"$d/status"
  echo "deb-src [signed-by=$keyring] $mirror/debian $suite main" >"$d/sources"
  cat >"$d/conf" <<CONF
Dir::Etc::sourcelist "$d/sources"; Dir::Etc::sourceparts "/dev/null"; Dir::Etc::preferencesparts "/dev/null";
Dir::State::Lists "$d/lists"; Dir::State::status "$d/status"; Dir::Cache "$d"; Dir::Cache::archives "archives";
Acquire::Languages "none"; Acquire::Retries "3"; APT::Sandbox::User "root";
CONF
  APT_CONFIG=$d/conf apt-get -qq update >&2 && APT_CONFIG=$d/conf apt-get -qq source --download-only "$@" >&2
}

# Compiles the kernel side. Source names stand in the line information: the object must not depend on where it is built.
compile_object() { # FOLDER-OF-bpf/ OBJECT
  local include=()
  [ ! -d "$build/libbpf/include" ] || include=(-I"$build/libbpf/include")
  # -mcpu=v3 (kernel 5.1) has the 32-bit jumps; the multiarch folder holds asm/types.h on Debian.
  (cd "$1" && clang -O2 -g -target bpf -mcpu=v3 -Wall -fdebug-compilation-dir=. "${include[@]}" \
    -idirafter "/usr/include/$(gcc -dumpmachine)" -c bpf/aegis.bpf.c -o "$2.new")
  llvm-strip -g "$2.new" # DWARF goes, BTF stays
  mv "$2.new" "$2"
}
