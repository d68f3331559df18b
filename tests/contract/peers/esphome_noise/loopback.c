/* A node listens on every interface; in a test it is for this machine only. Linked with --wrap=bind. */
#include <arpa/inet.h>
#include <sys/socket.h>

int __real_bind(int descriptor, const struct sockaddr *address, socklen_t size);

int __wrap_bind(int descriptor, const struct sockaddr *address, socklen_t size) {
    if (address->sa_family != AF_INET || size < sizeof(struct sockaddr_in))
        return __real_bind(descriptor, address, size);
    struct sockaddr_in here = *(const struct sockaddr_in *)address;
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return __real_bind(descriptor, (const struct sockaddr *)&here, sizeof here);
}
