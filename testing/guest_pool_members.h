// Members of Linux RAIDs and of ZFS pools, whose superblocks and labels may be at their end.

#ifndef VHDXKIT_TESTING_GUEST_POOL_MEMBERS_H_
#define VHDXKIT_TESTING_GUEST_POOL_MEMBERS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "testing/guest_volumes.h"

namespace vhdx::testing {

/// Part of GuestVolumes().
std::vector<GuestVolume> GuestPoolMembers();

/// The checksum of a superblock of Linux RAID whose own field is zeros.
uint32_t MdChecksum(std::span<const std::byte> superblock);

}  // namespace vhdx::testing

#endif  // VHDXKIT_TESTING_GUEST_POOL_MEMBERS_H_
