-- SPDX-License-Identifier: Apache-2.0
-- Wireshark and tshark: what their own Mobile IPv6 dissector does not show of a multicast handover.
--
--   tshark -X lua_script:docs/wireshark/castover.lua -V -r transport.pcap
--
-- Handover Initiate and Handover Acknowledge (MH types 14 and 15) and the mobile node's HO-Initiate (type 11) are dissected
-- here as a whole, since options 60 and 61 count 32-bit words (RFC 7411 5.3), which the built-in walk over the options takes
-- for octets; so are Binding Update and Acknowledgement that carry one of them. Every other Mobility Header goes to the
-- built-in dissector; options 56 and 57 (RFC 7161) and the S flag of Proxy Binding Update and Acknowledgement are added to
-- what it shows.

local VENDOR_ID = 32473 -- RFC 5612; castover_options.py
local MOBILITY_HEADER = 135

local proto = Proto("pfmip6", "Proxy Mobile IPv6 multicast handover")

local DIALECTS = { { 1, "tell by the reserved octets", 0 }, { 2, "draft-hui-multimob-fast-handover", 1 }, { 3, "RFC 5949", 2 } }
proto.prefs.dialect = Pref.enum("Layout of HI and HAck", 0,
    "Nothing in the message names its layout. RFC 5949 has the P flag, always set, where the draft has reserved octets.", DIALECTS)
local UNITS = { { 1, "tell by the records", 0 }, { 2, "32-bit words (RFC 7411)", 1 }, { 3, "octets (RFC 6275)", 2 } }
proto.prefs.option_length_unit = Pref.enum("Length of options 60 and 61", 0,
    "option_length_unit of topology.yaml. The records have lengths of their own, which fit one of the two.", UNITS)

local BINDINGS = { [5] = "Binding Update", [6] = "Binding Acknowledgement" }
local MESSAGES = { [11] = "HO-Initiate", [14] = "Handover Initiate", [15] = "Handover Acknowledge" }
local OPTIONS = {
    [0] = "Pad1", [1] = "PadN", [8] = "Mobile Node Identifier", [19] = "Vendor Specific", [22] = "Home Network Prefix",
    [23] = "Handoff Indicator", [24] = "Access Technology Type", [25] = "Mobile Node Link-layer Identifier",
    [26] = "Link-local Address", [27] = "Timestamp", [33] = "GRE Key", [40] = "Context Request",
    [41] = "Local Mobility Anchor Address", [42] = "Mobile Node Link-local Address Interface Identifier",
    [56] = "Active Multicast Subscription (IPv4)", [57] = "Active Multicast Subscription (IPv6)",
    [60] = "Multicast Mobility", [61] = "Multicast Acknowledgement",
}
local RFC_CODES = { [0] = "default", [2] = "forwarding completed", [3] = "all available context transferred" }
local DRAFT_CODES = {
    [0] = "default", [1] = "forwarding not requested", [2] = "forwarding requested", [3] = "forwarding completed",
}
local ACKNOWLEDGE_CODES = {
    [0] = "accepted", [5] = "context transfer accepted", [6] = "all available context transferred", [128] = "not accepted",
    [129] = "administratively prohibited", [130] = "insufficient resources", [131] = "requested context not available",
    [132] = "forwarding not available",
}
local PAYLOADS = {
    [1] = "IGMPv3", [2] = "MLDv2", [3] = "IGMPv3 from compatibility mode", [4] = "MLDv2 from compatibility mode",
}
local STATUSES = {
    [0] = "success", [1] = "report payload type not supported", [2] = "requested group service not supported",
    [3] = "requested group service administratively prohibited",
}
local RECORD_TYPES = {
    [1] = "MODE_IS_INCLUDE", [2] = "MODE_IS_EXCLUDE", [3] = "CHANGE_TO_INCLUDE_MODE", [4] = "CHANGE_TO_EXCLUDE_MODE",
    [5] = "ALLOW_NEW_SOURCES", [6] = "BLOCK_OLD_SOURCES",
}
local SUBSCRIPTION_TYPES = {
    [0x16] = "IGMPv2 report", [0x22] = "IGMPv3 record", [131] = "MLDv1 report", [143] = "MLDv2 record",
}
local SUB_TYPES = {
    [1] = "New MAG Identifier", [2] = "Last Delivered", [3] = "Handover Identifier", [4] = "Handover Mode",
    [5] = "Authenticator",
}
local ALGORITHMS = { [1] = "HMAC-SHA-256, first 16 octets" }
local MODES = { [0] = "predictive", [1] = "join", [2] = "relayed", [3] = "more follows" }

local f = {
    next_header = ProtoField.uint8("pfmip6.next_header", "Payload protocol"),
    length = ProtoField.uint8("pfmip6.length", "Header length"),
    mh_type = ProtoField.uint8("pfmip6.mhtype", "Mobility Header Type", base.DEC, MESSAGES),
    checksum = ProtoField.uint16("pfmip6.checksum", "Checksum", base.HEX),
    dialect = ProtoField.string("pfmip6.dialect", "Layout"),
    sequence = ProtoField.uint16("pfmip6.sequence", "Sequence number"),
    identifier = ProtoField.uint16("pfmip6.identifier", "Identifier"),
    rfc_code = ProtoField.uint8("pfmip6.hi.code", "Code", base.DEC, RFC_CODES),
    draft_code = ProtoField.uint8("pfmip6.hi.draft_code", "Code", base.DEC, DRAFT_CODES),
    acknowledge_code = ProtoField.uint8("pfmip6.hack.code", "Code", base.DEC, ACKNOWLEDGE_CODES),
    flag_s = ProtoField.bool("pfmip6.flags.s", "Assigned address configuration (S)", 8, nil, 0x80),
    flag_u = ProtoField.bool("pfmip6.flags.u", "Buffer (U)", 8, nil, 0x40),
    flag_p = ProtoField.bool("pfmip6.flags.p", "Proxy (P)", 8, nil, 0x20),
    flag_f = ProtoField.bool("pfmip6.flags.f", "Forwarding (F)", 8, nil, 0x10),
    acknowledge_u = ProtoField.bool("pfmip6.hack.flags.u", "Buffer (U)", 8, nil, 0x80),
    acknowledge_p = ProtoField.bool("pfmip6.hack.flags.p", "Proxy (P)", 8, nil, 0x40),
    acknowledge_f = ProtoField.bool("pfmip6.hack.flags.f", "Forwarding (F)", 8, nil, 0x20),
    draft_u = ProtoField.bool("pfmip6.draft.flags.u", "Buffer (U)", 8, nil, 0x80),
    draft_f = ProtoField.bool("pfmip6.draft.flags.f", "Forwarding (F)", 8, nil, 0x40),
    draft_m = ProtoField.bool("pfmip6.draft.flags.m", "Multicast state (M)", 8, nil, 0x20),
    update_s = ProtoField.bool("pfmip6.bu.flags.s", "Multicast signalling (S)", 16, nil, 0x0020),
    update_flags = ProtoField.uint16("pfmip6.bu.flags", "Flags", base.HEX),
    acknowledgement_status = ProtoField.uint8("pfmip6.ba.status", "Status"),
    acknowledgement_flags = ProtoField.uint8("pfmip6.ba.flags", "Flags", base.HEX),
    lifetime = ProtoField.uint16("pfmip6.lifetime", "Lifetime, in 4 s"),
    acknowledgement_s = ProtoField.bool("pfmip6.ba.flags.s", "Multicast signalling (S)", 8, nil, 0x04),
    option = ProtoField.uint8("pfmip6.option", "Option", base.DEC, OPTIONS),
    option_length = ProtoField.uint8("pfmip6.option.length", "Length"),
    option_data = ProtoField.bytes("pfmip6.option.data", "Data"),
    mn_id = ProtoField.string("pfmip6.mn_id", "MN-ID"),
    prefix = ProtoField.ipv6("pfmip6.prefix", "Prefix"),
    prefix_length = ProtoField.uint8("pfmip6.prefix_length", "Prefix length"),
    link_layer_id = ProtoField.bytes("pfmip6.link_layer_id", "Link-layer identifier", base.COLON),
    lma_address = ProtoField.ipv6("pfmip6.lma_address", "LMA address"),
    lma_address_ipv4 = ProtoField.ipv4("pfmip6.lma_address_ipv4", "LMA address"),
    link_local = ProtoField.ipv6("pfmip6.link_local", "Link-local address"),
    gre_key = ProtoField.uint32("pfmip6.gre_key", "GRE key"),
    requested = ProtoField.uint8("pfmip6.requested", "Requested option", base.DEC, OPTIONS),
    payload = ProtoField.uint8("pfmip6.multicast.option_code", "Option-Code", base.DEC, PAYLOADS),
    status = ProtoField.uint8("pfmip6.multicast.status", "Status", base.DEC, STATUSES),
    subscription_type = ProtoField.uint8("pfmip6.subscription.type", "MLD or IGMP type", base.DEC, SUBSCRIPTION_TYPES),
    records = ProtoField.uint16("pfmip6.multicast.records", "Number of records"),
    record_type = ProtoField.uint8("pfmip6.record.type", "Record type", base.DEC, RECORD_TYPES),
    auxiliary = ProtoField.uint8("pfmip6.record.auxiliary_length", "Auxiliary data length"),
    sources = ProtoField.uint16("pfmip6.record.sources", "Number of sources"),
    group = ProtoField.ipv6("pfmip6.group", "Multicast address"),
    source = ProtoField.ipv6("pfmip6.source", "Source address"),
    group_ipv4 = ProtoField.ipv4("pfmip6.group_ipv4", "Multicast address"),
    source_ipv4 = ProtoField.ipv4("pfmip6.source_ipv4", "Source address"),
    vendor = ProtoField.uint32("pfmip6.vendor", "Vendor-ID"),
    sub_type = ProtoField.uint8("pfmip6.sub_type", "Sub-Type", base.DEC, SUB_TYPES),
    new_mag = ProtoField.string("pfmip6.new_mag", "New MAG"),
    handover_id = ProtoField.string("pfmip6.handover_id", "Handover"),
    mode = ProtoField.uint8("pfmip6.handover_mode", "Mode", base.DEC, MODES),
    digests = ProtoField.uint8("pfmip6.digests", "Number of digests"),
    digest = ProtoField.bytes("pfmip6.digest", "Digest"),
    algorithm = ProtoField.uint8("pfmip6.authenticator.algorithm", "Algorithm", base.DEC, ALGORITHMS),
    authenticator = ProtoField.bytes("pfmip6.authenticator", "Authenticator"),
}
proto.fields = f

local malformed = ProtoExpert.new("pfmip6.malformed", "Malformed", expert.group.MALFORMED, expert.severity.ERROR)
proto.experts = { malformed }

-- A part of a buffer that hands out its octets in order and remembers when there were too few.
local function reader(range, tree)
    return { range = range, at = 0, tree = tree, broken = false }
end

local function left(r) return r.range:len() - r.at end

local function take(r, octets)
    if octets == 0 then return nil end -- Wireshark has no empty ranges
    if r.broken or octets > left(r) then
        if not r.broken then
            r.tree:add_proto_expert_info(malformed, string.format("%d octets wanted, %d left", octets, left(r)))
        end
        r.broken = true
        return nil
    end
    local part = r.range(r.at, octets)
    r.at = r.at + octets
    return part
end

local function add(r, field, octets)
    local part = take(r, octets)
    if part then r.tree:add(field, part) end
    return part
end

-- One multicast address record (RFC 3810 5.2; IGMPv3: RFC 3376 4.2). False when it is not whole.
local function record(r, ipv4)
    if left(r) == 0 then -- of nothing there is no range, either
        r.tree:add_proto_expert_info(malformed, "a record wanted, nothing left")
        r.broken = true
        return false
    end
    local tree, size = r.tree, ipv4 and 4 or 16
    local start = r.at
    r.tree = tree:add(r.range(start), "Multicast address record")
    local kind, auxiliary, count = add(r, f.record_type, 1), add(r, f.auxiliary, 1), add(r, f.sources, 2)
    local group = add(r, ipv4 and f.group_ipv4 or f.group, size)
    for _ = 1, count and count:uint() or 0 do
        if not add(r, ipv4 and f.source_ipv4 or f.source, size) then break end
    end
    if auxiliary and auxiliary:uint() > 0 then add(r, f.option_data, auxiliary:uint() * 4) end
    if group then
        r.tree:append_text(string.format(": %s %s, %d source(s)", RECORD_TYPES[kind:uint()] or "unknown",
            tostring(ipv4 and group:ipv4() or group:ipv6()), count:uint()))
    end
    r.tree:set_len(r.at - start)
    r.tree = tree
    return not r.broken
end

local function records(r, ipv4)
    take(r, 2) -- reserved
    local count = add(r, f.records, 2)
    for _ = 1, count and count:uint() or 0 do
        if not record(r, ipv4) then return end
    end
    if not r.broken and left(r) > 0 then
        r.tree:add_proto_expert_info(malformed, string.format("%d octets after the last record", left(r)))
    end
end

-- Set by the option that names the last packets that the MN has had: the HI which it comes in is about them.
local names_last_delivered = false

-- Behind our Vendor-ID.
local function vendor_content(r)
    local sub_type = add(r, f.sub_type, 1)
    if not sub_type then return end
    r.tree:append_text(", " .. (SUB_TYPES[sub_type:uint()] or "unknown"))
    if sub_type:uint() == 1 then
        add(r, f.new_mag, left(r))
    elseif sub_type:uint() == 3 then
        add(r, f.handover_id, left(r))
    elseif sub_type:uint() == 4 then
        add(r, f.mode, 1)
    elseif sub_type:uint() == 5 then
        add(r, f.algorithm, 1)
        add(r, f.authenticator, 16)
    elseif sub_type:uint() == 2 then
        names_last_delivered = true
        add(r, f.source, 16)
        add(r, f.group, 16)
        local count = add(r, f.digests, 1)
        for _ = 1, count and count:uint() or 0 do
            if not add(r, f.digest, 8) then return end
        end
    end
end

local function vendor_specific(r)
    local vendor = add(r, f.vendor, 4)
    if not vendor then return end
    if vendor:uint() == VENDOR_ID then vendor_content(r) else add(r, f.sub_type, 1) end
end

local function subscription(r, ipv4)
    local kind = add(r, f.subscription_type, 1)
    if not kind then return end
    if kind:uint() == 131 or kind:uint() == 0x16 then
        take(r, ipv4 and 3 or 4) -- reserved
        add(r, ipv4 and f.group_ipv4 or f.group, ipv4 and 4 or 16)
    else
        record(r, ipv4)
    end
end

-- What stands behind Type and Length, by type.
local CONTENT = {
    [8] = function(r) take(r, 1); return add(r, f.mn_id, left(r)) end,
    [19] = vendor_specific,
    [22] = function(r) take(r, 1); add(r, f.prefix_length, 1); add(r, f.prefix, 16) end,
    [25] = function(r) take(r, 2); add(r, f.link_layer_id, left(r)) end,
    [26] = function(r) add(r, f.link_local, 16) end,
    [33] = function(r) take(r, 2); if left(r) > 0 then add(r, f.gre_key, 4) end end,
    [40] = function(r)
        take(r, 2)
        while left(r) > 0 and not r.broken do
            local wanted, length = add(r, f.requested, 1), take(r, 1)
            if wanted and length and length:uint() > 0 then add(r, f.option_data, length:uint()) end
        end
    end,
    [41] = function(r)
        local code = take(r, 1)
        take(r, 1)
        if code and code:uint() == 2 then add(r, f.lma_address_ipv4, 4) else add(r, f.lma_address, 16) end
    end,
    [56] = function(r) subscription(r, true) end,
    [57] = function(r) subscription(r, false) end,
    [60] = function(r)
        local code = add(r, f.payload, 1)
        take(r, 1)
        if code then records(r, code:uint() == 1 or code:uint() == 3) end
    end,
    [61] = function(r)
        local code = left(r) >= 1 and r.range(r.at, 1):uint() or 0
        take(r, 1)
        add(r, f.status, 1)
        -- RFC 7411 has 0 for every kind of report; Castover says 1 for IGMPv3. Where nothing is said: 8 octets are the
        -- shortest record of IGMPv3, 20 of MLDv2.
        local count = left(r) >= 4 and r.range(r.at + 2, 2):uint() or 0
        records(r, code == 1 or code == 3 or (count > 0 and left(r) - 4 < 20 * count))
    end,
}

-- Octets of the count line at `at` and the records behind it, or nil when they go past the end.
local function records_length(header, at, ipv4)
    if at + 4 > header:len() then return nil end
    local record_at = at + 4
    for _ = 1, header(at + 2, 2):uint() do
        if record_at + 4 > header:len() then return nil end
        local auxiliary, count = header(record_at + 1, 1):uint(), header(record_at + 2, 2):uint()
        record_at = record_at + (ipv4 and 8 + 4 * count or 20 + 16 * count) + 4 * auxiliary
    end
    return record_at <= header:len() and record_at - at or nil
end

-- Octets of the option 60 or 61 at `at`, Type and Length included. No Length says the same in both units.
local function counted_size(header, at, kind, length)
    local unit, words, octets = proto.prefs.option_length_unit, 4 + 4 * length, 2 + length
    if unit == 1 then return words end
    if unit == 2 then return octets end
    local code = at + 2 < header:len() and header(at + 2, 1):uint() or 0
    local igmp = code == 1 or code == 3
    -- The RFC's Option-Code of option 61 is 0, whatever its records are.
    for _, ipv4 in ipairs(kind == 61 and not igmp and { false, true } or { igmp }) do
        local records = records_length(header, at + 4, ipv4)
        if records and 4 + records == words then return words end
        if records and 4 + records == octets then return octets end
    end
    return words
end

-- The options from octet `at` of the Mobility Header on. Returns the MN-ID when there is one.
local function options(header, at, tree)
    local mn_id
    while at < header:len() do
        local kind = header(at, 1):uint()
        if kind == 0 then
            at = at + 1
        else
            if header:len() - at < 2 then
                tree:add_proto_expert_info(malformed, "an option without a length")
                return mn_id
            end
            local length = header(at + 1, 1):uint()
            local size = 2 + length
            if kind == 60 or kind == 61 then size = counted_size(header, at, kind, length) end
            if size > header:len() - at then
                tree:add_proto_expert_info(malformed, string.format("option %d of %d octets, %d left", kind, size, header:len() - at))
                return mn_id
            end
            if kind ~= 1 then
                local branch = tree:add(header(at, size), OPTIONS[kind] or string.format("Option %d", kind))
                branch:add(f.option, header(at, 1))
                branch:add(f.option_length, header(at + 1, 1))
                if size > 2 then
                    local r = reader(header(at + 2, size - 2), branch)
                    local content = CONTENT[kind]
                    if content then
                        local found = content(r)
                        if kind == 8 and found then mn_id = found:string() end
                    else
                        branch:add(f.option_data, header(at + 2, size - 2))
                    end
                end
            end
            at = at + size
        end
    end
    return mn_id
end

local function is_rfc(header)
    if proto.prefs.dialect == 1 then return false end
    if proto.prefs.dialect == 2 then return true end
    return header(8, 1):uint() ~= 0 -- P is 1 in RFC 5949; the octet is reserved in the draft
end

local function initiate(header, tree, rfc)
    local flags, code, purpose
    if rfc then
        tree:add(f.sequence, header(6, 2))
        flags, code = header(8, 1), header(9, 1)
        for _, field in ipairs({ f.flag_s, f.flag_u, f.flag_p, f.flag_f }) do tree:add(field, flags) end
        tree:add(f.rfc_code, code)
        purpose = flags:bitfield(3, 1) == 0 and "context" or code:uint() == 2 and "forwarding completed"
            or "forwarding request"
        return purpose, 10
    end
    code, flags = header(6, 1), header(7, 1)
    tree:add(f.draft_code, code)
    for _, field in ipairs({ f.draft_u, f.draft_f, f.draft_m }) do tree:add(field, flags) end
    tree:add(f.identifier, header(10, 2))
    purpose = flags:bitfield(1, 1) == 0 and "context" or code:uint() == 3 and "forwarding completed"
        or "forwarding request"
    return purpose, 12
end

local function acknowledge(header, tree, rfc)
    local code = rfc and header(9, 1) or header(6, 1)
    if rfc then
        tree:add(f.sequence, header(6, 2))
        for _, field in ipairs({ f.acknowledge_u, f.acknowledge_p, f.acknowledge_f }) do tree:add(field, header(8, 1)) end
        tree:add(f.acknowledge_code, code)
    else
        tree:add(f.acknowledge_code, code)
        tree:add(f.identifier, header(10, 2))
    end
    return string.format("%d, %s", code:uint(), ACKNOWLEDGE_CODES[code:uint()] or "unknown"), rfc and 10 or 12
end

local built_in = DissectorTable.get("ip.proto"):get_dissector(MOBILITY_HEADER)

local function binding(buffer, tree)
    local kind = buffer(2, 1):uint()
    if kind == 5 and buffer:len() >= 10 then
        tree:add(proto, buffer(8, 2)):add(f.update_s, buffer(8, 2))
    elseif kind == 6 and buffer:len() >= 8 then
        tree:add(proto, buffer(7, 1)):add(f.acknowledgement_s, buffer(7, 1))
    end
end

-- Whether a Binding Update or Acknowledgement has an option that the built-in walk cannot step over.
local function carries_counted(header)
    local at = 12
    while at < header:len() do
        local kind = header(at, 1):uint()
        if kind == 60 or kind == 61 then return true end
        if kind > 0 and at + 1 >= header:len() then return false end
        at = at + (kind == 0 and 1 or 2 + header(at + 1, 1):uint())
    end
    return false
end

local function binding_with_counted(header, pinfo, tree)
    local kind = header(2, 1):uint()
    local branch = tree:add(proto, header, "Mobile IPv6, " .. BINDINGS[kind])
    pinfo.cols.protocol = "PFMIPv6"
    pinfo.cols.info = BINDINGS[kind]
    if kind == 5 then
        branch:add(f.sequence, header(6, 2))
        branch:add(f.update_flags, header(8, 2))
        branch:add(f.update_s, header(8, 2))
    else
        branch:add(f.acknowledgement_status, header(6, 1))
        branch:add(f.acknowledgement_flags, header(7, 1))
        branch:add(f.acknowledgement_s, header(7, 1))
        branch:add(f.sequence, header(8, 2))
    end
    branch:add(f.lifetime, header(10, 2))
    options(header, 12, branch)
    return header:len()
end

function proto.dissector(buffer, pinfo, tree)
    if buffer:len() >= 12 and BINDINGS[buffer(2, 1):uint()] and buffer:len() >= 8 * (buffer(1, 1):uint() + 1) then
        local header = buffer(0, 8 * (buffer(1, 1):uint() + 1))
        if carries_counted(header) then return binding_with_counted(header, pinfo, tree) end
    end
    if buffer:len() < 8 or not MESSAGES[buffer(2, 1):uint()] or buffer:len() < 8 * (buffer(1, 1):uint() + 1) then
        local whole = pcall(function() built_in:call(buffer, pinfo, tree) end)
        if not whole then tree:add(proto, buffer()):add_proto_expert_info(malformed, "an option goes past the end of the header") end
        if buffer:len() >= 8 then binding(buffer, tree) end
        return buffer:len()
    end
    local kind = buffer(2, 1):uint()
    local header = buffer(0, 8 * (buffer(1, 1):uint() + 1))
    local branch = tree:add(proto, header, "Mobile IPv6, " .. MESSAGES[kind])
    branch:add(f.next_header, header(0, 1))
    branch:add(f.length, header(1, 1)):append_text(string.format(" (%d octets)", header:len()))
    branch:add(f.mh_type, header(2, 1))
    branch:add(f.checksum, header(4, 2))
    pinfo.cols.protocol = "PFMIPv6"
    local detail, at
    if kind == 11 then
        branch:add(f.sequence, header(6, 2))
        at = 8
    elseif header:len() < 16 then
        branch:add_proto_expert_info(malformed, "shorter than its fixed part")
        return header:len()
    else
        local rfc = is_rfc(header)
        branch:add(f.dialect, rfc and "RFC 5949" or "draft-hui-multimob-fast-handover"):set_generated()
        if kind == 14 then detail, at = initiate(header, branch, rfc) else detail, at = acknowledge(header, branch, rfc) end
    end
    names_last_delivered = false
    local mn_id = options(header, at, branch)
    if detail == "context" and names_last_delivered then detail = "last packets delivered" end
    local text = MESSAGES[kind] .. (detail and " (" .. detail .. ")" or "") .. (mn_id and " " .. mn_id or "")
    branch:append_text(detail and ", " .. detail or "")
    pinfo.cols.info = text
    return header:len()
end

DissectorTable.get("ip.proto"):add(MOBILITY_HEADER, proto)

-- Inside Proxy Binding Update and Acknowledgement the built-in dissector walks; it asks here for what it has no name for.
local subscriptions = Proto("pfmip6_subscription", "Active Multicast Subscription")
function subscriptions.dissector(buffer, _, tree)
    local kind = buffer(0, 1):uint()
    local branch = tree:add(proto, buffer(), OPTIONS[kind])
    CONTENT[kind](reader(buffer(2), branch))
    return buffer:len()
end
local walk = DissectorTable.get("mip6.option")
if walk then
    walk:add(56, subscriptions)
    walk:add(57, subscriptions)
end

-- It has a vendor's options shown by whoever knows the vendor.
local vendor_options = Proto("pfmip6_vendor", "Castover vendor option")
function vendor_options.dissector(buffer, _, tree)
    vendor_content(reader(buffer(), tree:add(proto, buffer(), "Castover")))
    return buffer:len()
end
local vendors = DissectorTable.get("mip6.vsm")
if vendors then vendors:add(VENDOR_ID, vendor_options) end
