/* Preloaded into clipd: chosen calls on chosen files fail with EIO, as on a dying disk.
 *
 * The choice is a table in a file that is mapped at the start, so that a test can change it at
 * any moment, and that a process without access to any file still sees it. A file is chosen by
 * its device and inode: fstat(2) is what a sealed process may do.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { READS = 1, WRITES = 2, SYNCS = 4, ENTRIES = 64 };

struct entry {
    uint64_t calls, device, inode;
};
struct table {
    uint64_t count, failed;
    struct entry entries[ENTRIES];
};

static volatile struct table *table;

__attribute__((constructor)) static void map_the_table(void)
{
    const char *name = getenv("FAILING_FILES");
    int fd = name ? open(name, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *mapped = mmap(NULL, sizeof(struct table), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped != MAP_FAILED)
        table = mapped;
}

static int fails(int fd, uint64_t call)
{
    struct stat found;
    if (!table || !table->count || fstat(fd, &found))
        return 0;
    for (uint64_t i = 0; i < table->count && i < ENTRIES; i++) {
        volatile struct entry *one = &table->entries[i];
        if ((one->calls & call) && one->device == found.st_dev && one->inode == found.st_ino) {
            __atomic_add_fetch(&table->failed, 1, __ATOMIC_RELAXED);
            errno = EIO;
            return 1;
        }
    }
    return 0;
}

#define FAILING(type, name, parameters, arguments, number, call)                                   \
    type name parameters                                                                           \
    {                                                                                              \
        return fails(fd, call) ? -1 : syscall(number, arguments);                                  \
    }
#define WORDS(...) __VA_ARGS__

FAILING(ssize_t, read, (int fd, void *to, size_t size), WORDS(fd, to, size), SYS_read, READS)
FAILING(ssize_t, pread, (int fd, void *to, size_t size, off_t at), WORDS(fd, to, size, at),
        SYS_pread64, READS)
FAILING(ssize_t, pread64, (int fd, void *to, size_t size, off64_t at), WORDS(fd, to, size, at),
        SYS_pread64, READS)
FAILING(ssize_t, write, (int fd, const void *from, size_t size), WORDS(fd, from, size), SYS_write,
        WRITES)
FAILING(ssize_t, pwrite, (int fd, const void *from, size_t size, off_t at),
        WORDS(fd, from, size, at), SYS_pwrite64, WRITES)
FAILING(ssize_t, pwrite64, (int fd, const void *from, size_t size, off64_t at),
        WORDS(fd, from, size, at), SYS_pwrite64, WRITES)
FAILING(int, fsync, (int fd), WORDS(fd), SYS_fsync, SYNCS)
FAILING(int, fdatasync, (int fd), WORDS(fd), SYS_fdatasync, SYNCS)
