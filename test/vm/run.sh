#!/usr/bin/env bash
# Runs the tests of the packages that depend on the kernel and the processor in a virtual machine, with a kernel of
# Debian's under QEMU. Both are emulated in software, so any host with Debian's apt will do, and nothing of the host's
# own kernel takes part.
#
#   run.sh arm64 [CPU...]   cortex-a72 (default): Armv8.0, exchanges are loops of LDAXR and STLXR; max: CASAL, LDADDAL
#   run.sh oldkernel        Debian 11's kernel 5.10, amd64
#
# PACKAGES names other packages than layout, sysvsem, sysvshm, sysvmsg, ring and bus; FLAGS are flags of their test binaries;
# VM_MEMORY is the machine's memory in MiB, VM_SECONDS how long it may run. DEBIAN is the Debian mirror to ask, by default
# the one that apt asks. Exit: 0 all well, 1 not, 2 something needed is missing.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."
packages=${PACKAGES:-layout sysvsem sysvshm sysvmsg ring bus}

missing() { echo "run.sh: $*" >&2; exit 2; }

usage='usage: run.sh arm64 [CPU...] | run.sh oldkernel'
machine=${1:?$usage}; shift
case $machine in
arm64)
    arch=arm64 suite=bookworm kernel=linux-image-cloud-arm64 console=ttyAMA0
    qemu=(qemu-system-aarch64 -M "virt,gic-version=3" -accel "tcg,thread=multi")
    cpus=("${@:-cortex-a72}") ;;
oldkernel)
    arch=amd64 suite=bullseye kernel=linux-image-cloud-amd64 console=ttyS0
    qemu=(qemu-system-x86_64 -accel "tcg,thread=multi")
    cpus=("${@:-max}") ;;
*) missing "$usage" ;;
esac
for tool in "${qemu[0]}" cpio dpkg-deb apt-get go; do
    command -v "$tool" >/dev/null || missing "$tool is not installed (Debian: apt-get install --no-install-recommends qemu-system-arm qemu-system-x86 cpio)"
done

dir=$PWD/bin/vm/$machine
mkdir -p "$dir"/deb
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# fetch downloads the machine's kernel and busybox into $dir/deb, once. Its apt knows nothing of the host's packages.
fetch() {
    local mirror=${DEBIAN:-} apt
    [ -n "$mirror" ] || mirror=$(apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' 'Created-By: Packages' | awk '$1 == "Debian" && $2 == "Debian" {print $3; exit}')
    [ -n "$mirror" ] || missing "apt asks no Debian mirror here: set DEBIAN to one"
    mkdir -p "$work"/apt/{state/lists/partial,cache/archives/partial}
    : >"$work/apt/status"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$work/apt/sources.list"
    apt=(-qq -o "APT::Architecture=$arch" -o "APT::Architectures=$arch" -o "Dir::State=$work/apt/state" -o "Dir::Cache=$work/apt/cache"
        -o "Dir::State::status=$work/apt/status" -o "Dir::Etc::sourcelist=$work/apt/sources.list" -o Dir::Etc::sourceparts=/nonexistent
        -o APT::Sandbox::User=root -o Acquire::Languages=none)
    apt-get "${apt[@]}" update || true
    kernel=$(apt-cache "${apt[@]}" depends "$kernel" | awk '$1 == "Depends:" {print $2; exit}') || true
    [ -n "$kernel" ] || missing "the mirror has no kernel of Debian's $suite for $arch: set DEBIAN to one that has"
    (cd "$dir/deb" && rm -f -- *.deb && apt-get "${apt[@]}" download "$kernel" busybox-static)
    touch "$dir/deb/complete"
}

# disk writes the machine's first file system to $work/initrd: busybox, the source tree as it is here, the test binaries.
disk() {
    local root=$work/disk tool p
    mkdir -p "$root"/{bin,proc,sys,dev,tmp,run,etc,t,repo}
    cp "$work/root/bin/busybox" "$root/bin/"
    for tool in sh mount mkdir cat ls sleep poweroff date grep tail timeout chmod ln ps kill uname env wc sort rm sed; do
        ln -s busybox "$root/bin/$tool"
    done
    printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n' >"$root/etc/passwd"
    git ls-files -z --cached --others --exclude-standard | xargs -0 ls -d 2>/dev/null | tr '\n' '\0' | cpio --quiet -0 -pdm "$root/repo"
    export GOOS=linux GOARCH=$arch CGO_ENABLED=0
    for p in $packages; do go test -c -o "$root/t/$p" "./$p"; done
    go build -o "$root/t/" ./cmd/busd ./cmd/buspub ./cmd/bussub ./test/demo
    # Left out: what needs ipcs, a C compiler or a Go toolchain, which are not there; and what stops a process after each
    # instruction (on amd64 only), which in an emulator takes half an hour and says nothing of the kernel. Nor do the tests that a
    # barrier is missed where it is left out: they are about the order of a real processor's loads and stores.
    p='TestAgreesWithIpcs|TestC|TestCIs.*|TestCRefuses|TestInstructions.*|TestInlined|TestLockedInstructions|Test.*OnARM64'
    p+='|TestKilledAtEachInstruction|Test.*StoppedAnywhere|TestBarrierOf.*'
    printf 'packages="%s"\nflags="%s"\nwithout="^(%s)$"\n' "$packages" "${FLAGS:-}" "$p" >"$root/t/run"
    cp "$here/init" "$root/init"
    (cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) >"$work/initrd"
}

[ -e "$dir/deb/complete" ] || fetch
for p in "$dir"/deb/*.deb; do dpkg-deb -x "$p" "$work/root"; done
disk
status=0
for cpu in "${cpus[@]}"; do
    echo "== $machine: ${cpu}, $(basename "$work"/root/boot/vmlinuz-*)"
    timeout "${VM_SECONDS:-1500}" "${qemu[@]}" -cpu "$cpu" -smp 2 -m "${VM_MEMORY:-3072}" -nographic -no-reboot -nic none \
        -kernel "$work"/root/boot/vmlinuz-* -initrd "$work/initrd" -append "console=$console quiet panic=-1" </dev/null |
        sed -u 's|\r||' | tee "$dir/log.$cpu" || true
    grep -q '^all well$' "$dir/log.$cpu" || { echo "run.sh: $machine, $cpu: not well; all that it said is in $dir/log.$cpu"; status=1; }
done
exit $status
