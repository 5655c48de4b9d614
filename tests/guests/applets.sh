# Scripts for busybox, run as `sh` in a root that holds only guest files; each section is a case of its own.
# Output and exit status have to be the same under QEMU and pyqemu. /fixtures has text.txt, words.txt, data.bin, archive.zip.

#### sh-basics
x=5; while [ $x -gt 0 ]; do echo "n=$x"; x=$((x-1)); done
f() { local a=$1; echo "f: $a $#"; return 3; }; f one two; echo "rc=$?"
for i in a b "c d"; do echo "[$i]"; done
case foobar in foo*) echo prefix;; *) echo none;; esac
echo $((7*6)) $((1<<40)) $((-7/2)) $((0xff & 0x3c)) ${#x}
y=${undefined:-default}; echo "$y" "${y%ault}" "${y#de}" "${y/def/DEF}"
set -- a b c; shift; echo "$@" "$*" $#
until false; do break; done; echo done
#### sh-heredoc
cat <<EOF
value $((1+2)) and `echo cmd` and $HOME
EOF
cat <<'EOF' | tr a-z A-Z
no $expansion here
EOF
cat <<-EOF
	tabs stripped
	EOF
#### sh-pipes
seq 1 100 | grep 7 | sort -rn | head -n 5 | while read n; do echo "got $n"; done
echo one two three | { read a b; echo "$b"; }
false | true; echo $?
(exit 7); echo $?
! true; echo $?
x=$(echo sub; echo shell); echo "$x"
#### sh-jobs
sleep 0.1 & p=$!; wait $p; echo "waited $?"
(exit 5) & wait $!; echo "rc $?"
for i in 1 2 3; do (sleep 0.0$i; echo "job $i") & wait; done
sleep 5 & kill $!; wait $! 2>/dev/null; echo "killed $?"
#### sh-traps
trap 'echo usr1' USR1; kill -USR1 $$; echo after
trap 'echo bye' EXIT
trap '' TERM; kill -TERM $$; echo survived
(trap 'echo inner; exit 9' INT; kill -INT $(exec sh -c 'echo $PPID'); sleep 1); echo "rc $?"
exit 4
#### sh-functions
fact() { if [ $1 -le 1 ]; then echo 1; else echo $(( $1 * $(fact $(($1-1))) )); fi; }
fact 10
hanoi() { [ $1 -eq 0 ] && return; hanoi $(($1-1)) $2 $4 $3; count=$((count+1)); hanoi $(($1-1)) $4 $3 $2; }
count=0; hanoi 7 a b c; echo $count
#### sh-errors
nosuchcommand; echo $?
cat /nonexistent; echo $?
cd /nowhere; echo $?
/etc; echo $?
sh -c 'kill -SEGV $$'; echo $?
sh -c 'kill -9 $$'; echo $?
#### sh-redirect
echo out > f; echo more >> f; cat < f; ls nofile 2>&1 | sed 's/^/E: /'; exec 3>g; echo three >&3; exec 3>&-; cat g
echo err >&2; { echo a; echo b >&2; } 2>h; cat h
#### sh-subst
v="a b  c"; echo $v; echo "$v"; IFS=:; p=x:y:z; for i in $p; do echo "<$i>"; done
printf '%s\n' *; touch q1 q2 q3; echo q?; echo q[12]
#### sh-arith
i=0; s=0; while [ $i -lt 2000 ]; do s=$((s + i*i % 7)); i=$((i+1)); done; echo $s
#### sh-eval-read
eval 'a=1; b=2'; echo $((a+b)); echo "l1
l2 x" | while IFS= read -r line; do echo "<$line>"; done; getopts ab: o -b val; echo $o $OPTARG; type cd; ulimit -n >/dev/null && echo ok
#### ash-many-forks
i=0; while [ $i -lt 40 ]; do /bin/true && i=$((i+1)); done; echo $i
#### awk-basics
awk 'BEGIN { for (i = 0; i < 5; i++) printf "%d %s\n", i, i * 1.5; print length("hello"), substr("abcdef", 2, 3), index("foobar", "bar") }'
awk '{ n[$1]++ } END { for (k in n) c++; print NR, c }' /fixtures/words.txt
awk -F: '{ print $1 "-" $3 }' /etc/passwd
#### awk-math
awk 'BEGIN { print sin(1), cos(1), atan2(1,2), exp(1), log(10), sqrt(2), int(-3.7), 2^0.5, 10%3, 1e300*1e10, -1/3 }'
awk 'BEGIN { x = 1; for (i = 1; i < 30; i++) x *= i; printf "%.17g %e %f %g\n", x, x, x/1e25, 1/3 }'
awk 'BEGIN { srand(1); printf "%5.2f|%-8s|%08d|%x|%o|%c|%+d\n", 3.14159, "ab", 42, 255, 8, 65, 7 }'
#### awk-text
awk '{ for (i = NF; i > 0; i--) printf "%s ", $i; print "" }' /fixtures/text.txt | head -n 20
awk '{ gsub(/[aeiou]/, "_"); print toupper($0) }' /fixtures/text.txt | tail -n 5
awk 'match($0, /[a-z]+ing/) { print RSTART, RLENGTH, substr($0, RSTART, RLENGTH) }' /fixtures/text.txt
awk 'BEGIN { n = split("a,b,c", p, ","); print n, p[1] p[3]; "echo hi" | getline x; print x; print "b\na" | "sort" }'
#### sed
sed -n '2,4p' /fixtures/text.txt; sed 's/\([a-z]*\) \([a-z]*\)/\2 \1/g' /fixtures/text.txt | head -n 3
echo hello | sed 's/l/L/2;y/eo/34/'; seq 10 | sed -n '/3/,/5/{s/$/!/;p}'; seq 5 | sed '1!G;h;$!d'; seq 3 | sed -e '2i\' -e 'inserted' -e '3a appended'
cp /fixtures/text.txt t; sed -i 's/the/THE/' t; grep -c THE t
#### grep
grep -n ing /fixtures/text.txt; grep -c e /fixtures/words.txt; grep -iv '^A' /fixtures/words.txt | head -n 3; grep -o '[0-9]*' /etc/passwd | head -n 4
grep -E '^(a|b).*(e|t)$' /fixtures/words.txt | wc -l; grep -q nothing /etc/passwd; echo $?; egrep -x 'w0*1' /fixtures/words.txt; fgrep -w root /etc/passwd
#### sort
sort /fixtures/words.txt | head -n 5; sort -r /fixtures/words.txt | head -n 3; seq 20 | sort -R | sort -n | tail -n 2
printf 'b 2\na 10\nc 1\n' | sort -k2n; printf 'x\ny\nx\n' | sort -u; printf '1.5\n1e2\n-3\n' | sort -g; printf 'a\nB\nc\n' | sort -f
#### uniq-cut-tr
printf 'a\na\nb\n' | uniq -c; cut -d: -f1,3 /etc/passwd; echo abcdef | cut -c2-4; echo hello | tr a-y b-z; echo 'a  b' | tr -s ' '; echo a1b2 | tr -d 0-9; echo abc | tr -c 'b\n' .
#### head-tail-wc
head -n 2 /fixtures/text.txt; tail -n 2 /fixtures/text.txt; head -c 10 /fixtures/text.txt; echo; tail -c +50 /fixtures/text.txt | head -c 5; echo; wc /fixtures/text.txt; wc -l -c /fixtures/words.txt; tac /fixtures/text.txt | head -n 1; rev /fixtures/text.txt | head -n 1
#### nl-paste-fold
nl /fixtures/text.txt | head -n 4; seq 4 | paste - -; seq 3 > a; paste -d, a a; fold -w 20 /fixtures/text.txt | head -n 5; printf 'a\tb\n' | expand; printf '        b\n' | unexpand -a; echo a b | xargs -n1 echo x
#### find-xargs
mkdir -p d/e/f; touch d/1 d/e/2.txt d/e/f/3.txt; find d -name '*.txt' | sort; find d -type d | sort; find d -type f -exec basename {} \; | sort; find d -name '*.txt' -print0 | xargs -0 ls; find d -empty -type f | wc -l; find d -mindepth 2 -maxdepth 2 | sort; seq 10 | xargs -n 3 echo; seq 3 | xargs -I% echo '<%>'
#### tar-gzip
mkdir a; cp /fixtures/* a; tar cf a.tar a; tar tf a.tar | sort; mkdir b; tar xf a.tar -C b; diff -r a b/a && echo same; tar czf a.tgz a; tar tzf a.tgz | wc -l; gzip -c a/text.txt | gunzip | cmp - a/text.txt && echo same; gzip a/words.txt; ls a; zcat a/words.txt.gz | md5sum
#### bzip2
bzip2 -c /fixtures/words.txt > w.bz2; bunzip2 -c w.bz2 | cmp - /fixtures/words.txt && echo same; bzcat w.bz2 | wc; tar cjf t.tbz /fixtures/data.bin 2>/dev/null; tar tjf t.tbz; echo junk | bunzip2 2>&1; echo $?
#### xz-lzma
xzcat /fixtures/words.txt.xz | cmp - /fixtures/words.txt && echo same; cp /fixtures/words.txt.xz w.xz; unxz w.xz; wc w; unlzma -c < /fixtures/words.txt.lzma | md5sum; xz -d -c /fixtures/words.txt.xz | tail -n 1; tar tJf /fixtures/t.txz
#### unzip
unzip -l /fixtures/archive.zip | awk '{print $1, $NF}'; unzip -q /fixtures/archive.zip; md5sum text.txt data.bin; unzip -p /fixtures/archive.zip text.txt | head -n 1
#### cpio
mkdir c; cp /fixtures/text.txt c; find c | sort | cpio -o -H newc > c.cpio; mkdir o; cd o; cpio -id < ../c.cpio; cmp c/text.txt ../c/text.txt && echo same; cpio -t < ../c.cpio
#### ar-dpkg
ar t /fixtures/a.deb; ar p /fixtures/a.deb debian-binary; dpkg-deb -c /fixtures/a.deb | wc -l; dpkg-deb -f /fixtures/a.deb
#### sums
md5sum /fixtures/data.bin; sha1sum /fixtures/data.bin; sha256sum /fixtures/data.bin; sha512sum /fixtures/data.bin; sha3sum /fixtures/data.bin; crc32 /fixtures/data.bin; cksum /fixtures/data.bin 2>/dev/null; md5sum /fixtures/text.txt > s; md5sum -c s
#### base64-od
base64 /fixtures/data.bin | head -n 3; base64 /fixtures/data.bin | base64 -d | cmp - /fixtures/data.bin && echo same; od -c /fixtures/text.txt | head -n 3; od -An -tx1 -N 32 /fixtures/data.bin; od -td4 -N 16 /fixtures/data.bin; od -tf8 -N 64 /fixtures/data.bin; hexdump -C /fixtures/data.bin | head -n 4; xxd /fixtures/data.bin | head -n 3; xxd -p -l 20 /fixtures/data.bin; strings /fixtures/data.bin | head -n 3
#### uuencode
uuencode -m x < /fixtures/text.txt | tail -n 2; uuencode x < /fixtures/data.bin > u; uudecode -o v u; cmp v /fixtures/data.bin && echo same
#### dd
dd if=/fixtures/data.bin of=o bs=512 count=3 2>/dev/null; wc -c o; dd if=/dev/zero bs=1k count=4 2>/dev/null | md5sum; dd if=/fixtures/text.txt bs=1 skip=10 count=5 2>/dev/null; echo; dd if=/fixtures/text.txt of=o bs=7 seek=2 conv=notrunc 2>/dev/null; md5sum o; truncate -s 100 o; wc -c o; fallocate -l 1000 p; stat -c %s p
#### diff-patch
cp /fixtures/text.txt a; sed 's/e/E/3;5d' a > b; diff a b; diff -u a b | sed 1,2d > p; cat p; { echo '--- a'; echo '+++ a'; cat p; } > q; patch < q; cmp a b && echo patched; cmp /fixtures/text.txt a; echo $?
#### bc
echo 'scale=20; 4*a(1); e(1); sqrt(2); 2^100; 7/3' | bc -l; echo 'define f(n) { if (n <= 1) return 1; return n*f(n-1); } f(30)' | bc; echo 'obase=16; 255; ibase=2; 1011' | bc; echo 'for (i = 0; i < 5; i++) i^3' | bc
#### dc
echo '10 2 3 * + p 20 k 2 v p 5 3 ^ p' | dc; dc -e '1 2 + p'
#### printf-expr
printf '%d %i %o %x %X %c %s %5.1f %e %g\n' 42 -7 8 255 255 A str 2.25 12345.678 0.0001; printf '%-10s|%10s|%05d\n' ab cd 42; printf 'a\tb\\n\x41\101\n'; expr 3 + 4 \* 2; expr length hello; expr hello : 'h\(.*\)o'; expr 5 '>' 3; expr substr abcdef 2 3; expr 1 / 0; echo $?
#### date
date -u -d @0; date -u -d @1700000000 '+%Y-%m-%d %H:%M:%S %j %a %b'; date -u -d '2024-02-29 12:34' +%s; TZ=CET-1 date -d @86400 +%H:%M; cal 2 2024
#### ls-stat
mkdir d; touch -d @1000000 d/a; echo x > d/b; ln -s a d/l; ln d/b d/h; chmod 640 d/b; ls d; ls -1F d; ls -l d/b | cut -c1-10; stat -c '%n %s %a %h %F' d/*; readlink d/l; readlink -f d/l | sed 's/.*\///'; realpath d/../d/a | sed 's/.*\///'; ls -i d | wc -l; stat -c %Y d/a; ls -ld d | cut -c1; ls -la d | wc -l
#### cp-mv-rm
mkdir s; echo 1 > s/a; echo 2 > s/b; cp -r s t; cp -p s/a u; mv t/a t/c; ls t; rm -r s; ls; rm nofile; echo $?; rm -f nofile; echo $?; rmdir t; echo $?; rm t/*; rmdir t; mkdir -p x/y/z; rmdir -p x/y/z; ls; unlink u; link /fixtures/nothing v; echo $?; install -d k 2>/dev/null; ls
#### touch-chmod
touch a; chmod 4755 a; stat -c %a a; chmod u-s,g+w a; stat -c %a a; umask 077; touch b; stat -c %a b; mkfifo p; stat -c %F p; test -p p && echo fifo; [ -x a ] && echo exec; [ b -nt a ]; test -L a; echo $?; chown 0:0 a; chgrp 0 a; stat -c %u:%g a
#### fifo
mkfifo p; (echo through fifo > p) & cat p; wait
#### mktemp-sync
t=$(mktemp); test -f $t && echo made; rm $t; d=$(mktemp -d); test -d $d && echo dir; rmdir $d; sync; echo $?
#### env
env -i A=1 B=2 env | sort; env -u HOME sh -c 'echo ${HOME-none}'; A=5 sh -c 'echo $A'; export Z=9; sh -c 'echo $Z'; env nosuchprog; echo $?; printenv 2>/dev/null; pwd | sed 's/.*\///'
#### id-who
id; id -u; id -un; whoami; groups; hostid | wc -c; nproc >/dev/null && echo nproc; uname -m; uname -s; logname 2>/dev/null; arch; tty; echo $?
#### ps
ps -o pid,args > list; grep -c "sh .cases.ps" list; ps | head -n 1; pidof nothing; echo $?; sh -c 'echo $PPID' >/dev/null; test -d /proc/self && echo proc; readlink /proc/self/exe; tr '\0' ' ' < /proc/self/cmdline; echo; cat /proc/self/comm
#### timeout-sleep
timeout 0.2 sleep 5; echo $?; timeout 5 true; echo $?; sleep 0.05; usleep 1000; timeout -s KILL 0.1 sleep 5; echo $?; time -f %C true 2>&1 | tail -n 1
#### nice-setsid
nice -n 5 sh -c 'nice'; setsid sh -c 'echo in session'; nohup true 2>/dev/null; ionice -p $$ >/dev/null; echo $?; taskset -p $$ | wc -l; chroot / /bin/echo rooted; renice 5 $$ >/dev/null 2>&1; echo $?; setpriv --nnp true; echo $?; cttyhack true; echo $?
#### seq-factor
seq 5; seq 2 3 11; seq -s, 1 4; seq -w 8 11; factor 1 2 97 1001 123456789 99999999977; yes | head -n 3; shuf -i 1-5 | sort | tr -d '\n'; echo; ascii | head -n 3
#### less-more-misc
echo text | more; echo text | less 2>/dev/null; which sh; clear | wc -c; basename /a/b.c .c; dirname /a/b/c; echo y | tee f1 f2; cat f1 f2; getopt -o ab: -- -a -b 1 c; run-parts --test /etc | wc -l; ts '' < /dev/null; tsort 2>/dev/null < /dev/null; mim 2>/dev/null; false; echo $?; test 1 -eq 1; echo $?; [ a = b ]; echo $?
#### ed
printf 'a\nline one\nline two\n.\n1s/one/ONE/\n,p\nw out\nq\n' | ed; cat out
#### vi
printf ':%%s/a/X/\n:wq\n' > keys; cp /fixtures/text.txt v; vi -c ':1d' -c ':wq' v < /dev/null > /dev/null 2>&1; wc -l v
#### dos2unix
printf 'a\r\nb\r\n' > f; dos2unix f; od -c f; unix2dos f; od -c f
#### split-cat
cat -n /fixtures/text.txt | head -n 2; cat -A /fixtures/text.txt | head -n 1; cat -e /etc/passwd | head -n 1; cmp -l /fixtures/text.txt /fixtures/words.txt > d 2>/dev/null; head -n 2 d; shred -u -n 1 nofile; echo $?
#### crypt
mkpasswd -m sha512 -S saltsalt password; mkpasswd -m md5 -S saltsalt password; mkpasswd -m des -S sa password; echo $?
#### net-local
ipcalc -n -b -m 192.168.1.17/24; nc -s 2>&1 | head -n 1; ({ echo hello; sleep 1; } | nc -l -p 47311 > got) & until echo question | nc 127.0.0.1 47311 2>/dev/null; do sleep 0.1; done; wait; cat got; hostname -s > /dev/null && echo host; nc -w 1 127.0.0.1 1; echo $?
#### httpd
mkdir w; echo page > w/index.html; httpd -f -p 127.0.0.1:47312 -h w & h=$!; sleep 0.3; wget -q -O - http://127.0.0.1:47312/index.html; wget -q -O - http://127.0.0.1:47312/none 2>&1 | tail -n 1; kill $h; wait $h 2>/dev/null; echo $?
#### df-du-free
df / | wc -l; mkdir t; cp /fixtures/data.bin t; du -s t | wc -l; free | wc -l; uptime | wc -l; mount | grep -c . > /dev/null; echo ok; du -k /fixtures/data.bin | cut -f2; lsmod > /dev/null 2>&1; sysctl -n kernel.ostype; w | head -n 1 | wc -l; dmesg > /dev/null 2>&1; pstree 2>/dev/null; stty -a < /dev/null; echo $?; mountpoint / 2>/dev/null; fsync 2>/dev/null; top -bn1 | wc -l | awk '{print ($1 > 3)}'
#### watch-script
watch -t -n 1 true > /dev/null 2>&1 & p=$!; sleep 0.2; kill $p; wait $p 2>/dev/null; echo $?; start-stop-daemon -S -x /bin/true -t > /dev/null; echo $?; logger -s message 2>&1 | sed 's/.*: //'; killall nothing 2>&1; flock 2>/dev/null; getty 2>/dev/null; echo $?
#### script-exec
printf '#!/bin/sh\necho script $0 "$@"\n' > s; chmod +x s; ./s a b; printf '#!/bin/cat\nself\n' > c; chmod +x c; ./c; printf '#!/nonexistent\n' > n; chmod +x n; ./n; echo $?; printf 'echo no shebang\n' > e; chmod +x e; ./e; printf '#!/bin/busybox seq\n' > q; chmod +x q; ./q 3 2>&1 | head -n 1; printf '\177ELF' > b; chmod +x b; ./b; echo $?; exec ./s last
#### big-pipe
seq 20000 | md5sum; yes abcdefghij | head -n 20000 | gzip | gunzip | sha1sum; seq 5000 | awk '{s += $1} END {print s}'; seq 3000 | sort -r | uniq | wc -l; cat /fixtures/data.bin /fixtures/data.bin | bzip2 | bunzip2 | wc -c
#### limits
(ulimit -n 5; exec 4< /etc/passwd; cat <&4 | head -n 1); (ulimit -t 100; echo ok)
