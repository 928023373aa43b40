/* nothing.c - the smallest program that can be executed: it ends with 0. What exec cases copy, deny and run. */
#if defined(__x86_64__)
#define EXIT_0 "xor %edi, %edi\nmov $60, %eax\nsyscall\n"
#elif defined(__aarch64__)
#define EXIT_0 "mov x0, #0\nmov x8, #93\nsvc #0\n"
#endif

__asm__(".globl _start\n_start:\n" EXIT_0);
