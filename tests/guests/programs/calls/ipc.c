// System V and POSIX inter-process communication.
#include <asm/msgbuf.h>
#include <asm/sembuf.h>
#include <asm/shmbuf.h>
#include <linux/ipc.h>
#include <linux/mqueue.h>
#include <linux/msg.h>
#include <linux/sem.h>

#include "calls.h"

static void semaphores(void) {
  int id = (int)CALL(__NR_semget, IPC_PRIVATE, 3, 0600);
  uint16_t values[3] = {4, 5, 6};
  show("semget", id >= 0);
  show("setall", CALL(__NR_semctl, id, 0, SETALL, values));
  show("setval", CALL(__NR_semctl, id, 1, SETVAL, 7));
  struct sembuf ops[2] = {{0, -1, 0}, {1, 2, 0}};
  moment soon = {0, 20000000};
  show("semtimedop", CALL(NR_semtimedop, id, ops, 2, &soon));
  memset(values, 0, sizeof values);
  show("getall", CALL(__NR_semctl, id, 0, GETALL, values));
  show("values", values[0] * 100 + values[1] * 10 + values[2]);
  ops[0].sem_op = -100;
  show("timeout", CALL(NR_semtimedop, id, ops, 1, &soon));
  struct semid64_ds status;
  memset(&status, 0x55, sizeof status);
  show("stat", CALL(__NR_semctl, id, 0, IPC_STAT, &status));
  show("count", (int64_t)status.sem_nsems);
  show("mode", status.sem_perm.mode);
  show("owner", status.sem_perm.uid == (unsigned)CALL(__NR_getuid));
  show("times", status.sem_otime > 1600000000 && status.sem_ctime > 1600000000);
  status.sem_perm.mode = 0640;
  show("set", CALL(__NR_semctl, id, 0, IPC_SET, &status));
  CALL(__NR_semctl, id, 0, IPC_STAT, &status);
  show("mode", status.sem_perm.mode);
  show("remove", CALL(__NR_semctl, id, 0, IPC_RMID, 0));
}

static void shared_memory(void) {
  int id = (int)CALL(__NR_shmget, IPC_PRIVATE, 10000, 0600);
  char *one = (char *)CALL(__NR_shmat, id, NULL, 0), *two = (char *)CALL(__NR_shmat, id, NULL, 010000);
  show("shmat", (unsigned long)one < -4096ul && (unsigned long)two < -4096ul && one != two);
  one[9999] = 77;
  show("shared", two[9999]);
  struct shmid64_ds status;
  memset(&status, 0x55, sizeof status);
  show("stat", CALL(__NR_shmctl, id, IPC_STAT, &status));
  show("size", (int64_t)status.shm_segsz);
  show("attached", (int64_t)status.shm_nattch);
  show("creator", status.shm_cpid == CALL(__NR_getpid));
  show("time", status.shm_atime > 1600000000);
  show("shmdt", CALL(__NR_shmdt, one) + CALL(__NR_shmdt, two));
  show("again", CALL(__NR_shmdt, one));
  show("remove", CALL(__NR_shmctl, id, IPC_RMID, NULL));
}

static void message_queue(void) {
  struct {
    long type;
    char text[16];
  } out = {5, "a message"}, in;
  int id = (int)CALL(__NR_msgget, IPC_PRIVATE, 0600);
  show("msgsnd", CALL(__NR_msgsnd, id, &out, 10, 0));
  out.type = 3;
  show("msgsnd", CALL(__NR_msgsnd, id, &out, 4, 0));
  out.type = -1;
  show("bad type", CALL(__NR_msgsnd, id, &out, 4, 0));
  struct msqid64_ds status;
  memset(&status, 0x55, sizeof status);
  show("stat", CALL(__NR_msgctl, id, IPC_STAT, &status));
  show("messages", (int64_t)status.msg_qnum);
  show("sender", status.msg_lspid == CALL(__NR_getpid));
  memset(&in, 0, sizeof in);
  show("msgrcv", CALL(__NR_msgrcv, id, &in, sizeof in.text, -4, 0));
  show("type", in.type);
  show("msgrcv", CALL(__NR_msgrcv, id, &in, sizeof in.text, 5, 0));
  show("type", in.type);
  print(in.text), print("\n");
  show("none", CALL(__NR_msgrcv, id, &in, sizeof in.text, 0, 04000));
  show("remove", CALL(__NR_msgctl, id, IPC_RMID, NULL));
}

static void posix_queue(void) {
  struct {
    long flags, most, size, now, reserved[4];
  } attributes = {0, 3, 20, 0, {0}}, got;
  char text[32] = {0};
  unsigned priority = 0;
  CALL(__NR_mq_unlink, "pyqemu-calls-test");
  int fd = (int)CALL(__NR_mq_open, "pyqemu-calls-test", O_RDWR | O_CREAT, 0600, &attributes);
  show("mq_open", fd >= 0);
  if (fd < 0) return;
  moment later = now(CLOCK_REALTIME), past = {0, 0};
  later.seconds += 10;
  show("send", CALL(NR_mq_timedsend, fd, "one", 4, 1, &later));
  show("send", CALL(NR_mq_timedsend, fd, "two", 4, 9, NULL));
  show("attributes", CALL(__NR_mq_getsetattr, fd, NULL, &got));
  show("are", got.most * 10000 + got.size * 100 + got.now);
  show("receive", CALL(NR_mq_timedreceive, fd, text, sizeof text, &priority, &later));
  print(text), print("\n");
  show("priority", priority);
  show("receive", CALL(NR_mq_timedreceive, fd, text, sizeof text, &priority, NULL));
  show("timeout", CALL(NR_mq_timedreceive, fd, text, sizeof text, &priority, &past));
  show("mq_unlink", CALL(__NR_mq_unlink, "pyqemu-calls-test"));
}

void start(long *stack) {
  (void)stack;
  semaphores();
  shared_memory();
  message_queue();
  posix_queue();
  leave(0);
}
